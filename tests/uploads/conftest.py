"""The addresses of uploads behind the real server, over a real socket, with keys of two workspaces and both modes."""

import io
import wave
from pathlib import Path

import httpx
import pytest

from recordings.conftest import keys as keys
from recordings.conftest import office as office
from recordings.conftest import wire as wire
from recordings.office import Keys, Office
from sautikitd.http.endpoint import endpoints_of
from sautikitd.http.idempotency import Idempotency
from sautikitd.http.kernel import Kernel
from sautikitd.http.rate_limit import RateLimiter
from sautikitd.http.server import Application, build
from sautikitd.secretbox import SecretBox
from sautikitd.uploads.routes import UploadRoutes
from sautikitd.uploads.service import AudioUploads


def wav(seconds: float) -> bytes:
    made = io.BytesIO()
    with wave.open(made, "wb") as file:
        file.setparams((1, 2, 8000, 0, "NONE", ""))
        file.writeframes(bytes(range(256)) * int(seconds * 62.5))
    return made.getvalue()


@pytest.fixture
def uploads(office: Office) -> AudioUploads:
    return AudioUploads(office.store, office.database, office.clock)


@pytest.fixture
def api(office: Office, keys: Keys, uploads: AudioUploads, tmp_path: Path) -> Application:
    kernel = Kernel(
        database=office.database,
        authenticator=keys,
        idempotency=Idempotency(SecretBox([bytes(32)])),
        limiter=RateLimiter(office.clock, per_second=1000, burst=1000),
        clock=office.clock,
        docs_base="http://docs.test",
    )

    async def ready() -> dict[str, str]:
        return {}

    return build(kernel, list(endpoints_of(UploadRoutes(uploads))), public_url="http://api.test", ready=ready)


@pytest.fixture
def client(wire: httpx.AsyncClient) -> httpx.AsyncClient:
    wire.headers["Authorization"] = "Bearer all"
    return wire
