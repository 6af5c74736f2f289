import asyncio
import socket
from collections.abc import AsyncIterator

import httpx
import pytest

from factories import Platform
from http_probe import ProbeRoutes
from sautikitd.identity.workspaces import Workspace
from sautikitd.roles.api import InheritedSocketServer


@pytest.fixture
async def address(platform: Platform, probe: ProbeRoutes) -> AsyncIterator[str]:
    """The API as it is served: granian on a socket of this machine."""
    opened = socket.create_server(("127.0.0.1", 0))
    server = InheritedSocketServer(platform.application(probe), opened)
    serving = asyncio.create_task(server.serve())
    yield f"http://127.0.0.1:{opened.getsockname()[1]}"
    server.end()
    await serving
    opened.close()


async def test_requests_over_a_real_socket_are_answered_the_same(
    address: str, platform: Platform, duka: Workspace
) -> None:
    made = await platform.key(duka.id)
    headers = {"Authorization": f"Bearer {made.key}"}
    async with httpx.AsyncClient(base_url=address, headers=headers) as api:
        me = await api.get("/v1/me")
        head = await api.head("/v1/me")
        options = await api.options("/v1/things")
        things = [
            await api.post("/v1/things", json={"name": "a"}, headers={"Idempotency-Key": "k"})
            for _ in range(2)
        ]
        empty = await api.post("/v1/nothing")
        unknown = await api.get("/v1/nowhere")
        large = await api.post(
            "/v1/things", content=b" " * 100_000, headers={"Content-Type": "application/json"}
        )
        afterwards = await api.get("/v1/me")
    assert me.json()["workspace"]["id"] == str(duka.id)
    assert (head.status_code, head.content) == (200, b"")
    assert head.headers["content-length"] == me.headers["content-length"]
    assert options.headers["allow"] == "GET, HEAD, OPTIONS, POST"
    assert things[0].content == things[1].content
    assert things[1].headers["idempotent-replay"] == "true"
    assert (empty.status_code, empty.content) == (204, b"")
    assert unknown.json()["error"]["code"] == "request.not_found"
    assert large.json()["error"]["code"] == "request.too_large"
    assert afterwards.status_code == 200
    answers = [me, head, options, *things, empty, unknown, large]
    assert len({answer.headers["x-request-id"] for answer in answers}) == len(answers)


async def test_a_request_is_audited_with_the_address_it_came_from(
    address: str, platform: Platform, duka: Workspace
) -> None:
    made = await platform.key(duka.id)
    headers = {"Authorization": f"Bearer {made.key}", "X-Forwarded-For": "203.0.113.9"}
    async with httpx.AsyncClient(base_url=address, headers=headers) as api:
        await api.post("/v1/api-keys", json={"name": "a", "scopes": ["calls.read"]})
        newest = (await api.get("/v1/audit-log?limit=1")).json()["data"][0]
    assert newest["source_address"] == "127.0.0.1"
