"""A transcription is read by those who may read its recording, for as long as there is one."""

from uuid import uuid4

import httpx
import pytest

from recordings.office import Keys
from sautikitd.http.endpoint import endpoints_of
from sautikitd.http.idempotency import Idempotency
from sautikitd.http.kernel import Kernel
from sautikitd.http.rate_limit import RateLimiter
from sautikitd.http.server import build
from sautikitd.identity.principal import Scope
from sautikitd.secretbox import SecretBox
from sautikitd.transcription.routes import TranscriptionRoutes
from transcription.conftest import Desk


@pytest.fixture
def client(desk: Desk, keys: Keys) -> httpx.AsyncClient:
    kernel = Kernel(
        database=desk.office.database,
        authenticator=keys,
        idempotency=Idempotency(SecretBox([bytes(32)])),
        limiter=RateLimiter(desk.office.clock, per_second=1000, burst=1000),
        clock=desk.office.clock,
        docs_base="http://docs.test",
    )

    async def ready() -> dict[str, str]:
        return {}

    app = build(kernel, list(endpoints_of(TranscriptionRoutes())), public_url="http://api.test", ready=ready)
    transport = httpx.ASGITransport(app=app)
    return httpx.AsyncClient(
        transport=transport, base_url="http://api.test", headers={"Authorization": "Bearer all"}
    )


async def test_it_is_pending_then_completed_then_gone(desk: Desk, client: httpx.AsyncClient) -> None:
    recording_id = await desk.recorded()
    path = f"/v1/recordings/{recording_id}/transcription"
    before = (await client.get(path)).json()["transcription"]
    assert (before["status"], before["text"], before["completed_at"]) == ("pending", None, None)
    await desk.transcriptions.work_one()
    after = (await client.get(path)).json()["transcription"]
    assert (after["status"], after["text"], after["language"]) == (
        "completed",
        "habari ya asubuhi",
        "swahili",
    )
    async with desk.office.database.transaction() as connection:
        await desk.office.service.delete(connection, recording_id)
    gone = await client.get(path)
    assert (gone.status_code, gone.json()["error"]["code"]) == (410, "calls.recording_expired")
    await client.aclose()


async def test_strangers_and_narrow_keys_see_nothing(
    desk: Desk, client: httpx.AsyncClient, keys: Keys
) -> None:
    recording_id = await desk.recorded()
    stranger, other_number = await desk.office.add_workspace()
    keys.add("stranger", stranger, Scope.ALL)
    keys.add("narrow", desk.office.workspace_id, Scope.ALL, number_ids=frozenset({other_number}))
    keys.add("blind", desk.office.workspace_id, Scope.CALLS_READ)
    path = f"/v1/recordings/{recording_id}/transcription"
    for key, status in (("stranger", 404), ("narrow", 404), ("blind", 403)):
        answer = await client.get(path, headers={"Authorization": f"Bearer {key}"})
        assert answer.status_code == status
    await client.aclose()


async def test_a_recording_without_a_transcription_says_how_to_get_one(
    desk: Desk, client: httpx.AsyncClient
) -> None:
    silent = await desk.office.ready()
    for name in (str(silent), str(uuid4()), "nonsense"):
        answer = await client.get(f"/v1/recordings/{name}/transcription")
        assert (answer.status_code, answer.json()["error"]["code"]) == (
            404,
            "recordings.transcription_not_found",
        )
    await client.aclose()
