"""HTTP/2 as Node's own client speaks it, by TLS with ALPN and in the clear, and HTTP/1.1 at the same addresses."""

import asyncio
import json
import socket
import ssl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import httpx

from factories import Platform
from http_probe import ProbeRoutes
from sautikitd.identity.workspaces import Workspace
from sautikitd.roles.api import InheritedSocketServer
from voice.sip.certificates import Authority

_CLIENT = Path(__file__).with_name("http2_client.mjs")


@asynccontextmanager
async def served(app: Any, certificate: Path | None = None, key: Path | None = None) -> AsyncIterator[str]:
    """The API as it is served: granian on a socket of this machine."""
    with socket.create_server(("127.0.0.1", 0)) as opened:
        server = InheritedSocketServer(app, opened, certificate, key)
        serving = asyncio.create_task(server.serve())
        yield f"{'https' if certificate else 'http'}://127.0.0.1:{opened.getsockname()[1]}"
        server.end()
        await serving


async def asked_by_node(url: str, key: str, *authority: str) -> dict[str, Any]:
    node = await asyncio.create_subprocess_exec(
        "node", str(_CLIENT), url, key, *authority, stdout=asyncio.subprocess.PIPE
    )
    async with asyncio.timeout(60):
        printed, _ = await node.communicate()
    assert node.returncode == 0
    said: dict[str, Any] = json.loads(printed)
    return said


def judge(said: dict[str, Any], duka: Workspace) -> None:
    answers = [said["me"], *said["many"], said["first"], said["again"], said["head"], said["unknown"]]
    assert json.loads(said["me"]["body"])["workspace"]["id"] == str(duka.id)
    assert {one["body"] for one in said["many"]} == {said["me"]["body"]}
    assert (said["first"]["status"], said["first"]["replayed"]) == (201, None)
    assert (said["again"]["body"], said["again"]["replayed"]) == (said["first"]["body"], "true")
    assert (said["head"]["status"], said["head"]["body"]) == (200, "")
    assert said["large"]["status"] == 413
    assert json.loads(said["large"]["body"])["error"]["code"] == "request.too_large"
    assert json.loads(said["unknown"]["body"])["error"]["code"] == "request.not_found"
    assert len({one["requestId"] for one in answers}) == len(answers)


async def test_by_tls_a_client_that_offers_h2_gets_it(
    platform: Platform, probe: ProbeRoutes, duka: Workspace, tmp_path: Path
) -> None:
    made = await platform.key(duka.id)
    authority = Authority(tmp_path)
    shown = authority.options("127.0.0.1")
    async with served(platform.application(probe), shown.certificate, shown.key) as url:
        said = await asked_by_node(url, made.key, str(authority.file))
    assert said["protocol"] == "h2"
    judge(said, duka)


async def test_by_tls_a_client_that_offers_only_http_1_gets_that(
    platform: Platform, probe: ProbeRoutes, duka: Workspace, tmp_path: Path
) -> None:
    made = await platform.key(duka.id)
    authority = Authority(tmp_path)
    shown = authority.options("127.0.0.1")
    trusting = ssl.create_default_context(cafile=str(authority.file))
    trusting.maximum_version = ssl.TLSVersion.TLSv1_2  # the oldest that is taken
    headers = {"Authorization": f"Bearer {made.key}"}
    async with (
        served(platform.application(probe), shown.certificate, shown.key) as url,
        httpx.AsyncClient(base_url=url, headers=headers, verify=trusting, trust_env=False) as api,
    ):
        answer = await api.get("/v1/me")
    assert (answer.status_code, answer.http_version) == (200, "HTTP/1.1")


async def test_in_the_clear_a_proxy_that_knows_speaks_h2c(
    platform: Platform, probe: ProbeRoutes, duka: Workspace
) -> None:
    made = await platform.key(duka.id)
    async with served(platform.application(probe)) as url:
        said = await asked_by_node(url, made.key)
    assert said["protocol"] == "h2c"
    judge(said, duka)
