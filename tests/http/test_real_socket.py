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


@pytest.mark.parametrize("framing", [b"Content-Length: 33554432", b"Transfer-Encoding: chunked"])
async def test_a_client_that_sends_all_of_a_large_body_before_it_listens_reads_why_it_was_refused(
    address: str, platform: Platform, duka: Workspace, framing: bytes
) -> None:
    made = await platform.key(duka.id)
    for key, status in ((made.key, b"413"), ("tsk_test_wrong", b"401")):
        reader, writer = await _sent_large(address, key, framing)
        assert (await reader.readuntil(b"\r\n\r\n")).startswith(b"HTTP/1.1 " + status)
        assert b'"code"' in await reader.read(4096)
        writer.close()


async def test_after_a_body_that_was_too_large_the_connection_is_used_again(
    address: str, platform: Platform, duka: Workspace
) -> None:
    made = await platform.key(duka.id)
    headers = {"Authorization": f"Bearer {made.key}", "Content-Type": "application/json"}
    async with httpx.AsyncClient(base_url=address, headers=headers) as api:
        refused = await api.post("/v1/things", content=b" " * 40_000_000)
        first = refused.extensions["network_stream"].get_extra_info("client_addr")
        afterwards = await api.get("/v1/me")
        second = afterwards.extensions["network_stream"].get_extra_info("client_addr")
        nowhere = await api.post("/v1/nowhere", content=b" " * 20_000_000)
    assert (refused.status_code, refused.json()["error"]["code"]) == (413, "request.too_large")
    assert (afterwards.status_code, nowhere.status_code) == (200, 404)
    assert first == second


async def test_who_asks_first_is_told_before_he_sends(
    address: str, platform: Platform, duka: Workspace
) -> None:
    made = await platform.key(duka.id)
    reader, writer = await _opened(address)
    expecting = b"Content-Length: 33554432\r\nExpect: 100-continue"
    writer.write(_head(made.key, expecting))
    assert (await reader.readuntil(b"\r\n")).startswith(b"HTTP/1.1 413")
    writer.close()


@pytest.mark.parametrize(
    ("head", "rest"),
    [
        (b"POST /v1/things HTTP/1.1\r\nHost: api\r\nTransfer-Encoding: chunked\r\n", b"zz\r\n{}"),
        (b"POST /v1/things HTTP/1.1\r\nHost: api\r\nContent-Length: 500\r\n", b'{"name":'),
        (b"GET /v1/me HTTP/1.1\r\n", b""),
    ],
    ids=["a chunk without length", "less than was announced", "no Host"],
)
async def test_what_is_no_whole_request_is_told_so(
    address: str, platform: Platform, duka: Workspace, head: bytes, rest: bytes
) -> None:
    made = await platform.key(duka.id)
    reader, writer = await _opened(address)
    bearer = b"Content-Type: application/json\r\nAuthorization: Bearer " + made.key.encode()
    writer.write(head + bearer + b"\r\nConnection: close\r\n\r\n" + rest)
    if rest:
        writer.write_eof()
    answer = await reader.read()
    assert answer.startswith(b"HTTP/1.1 400")
    assert b'"request.malformed"' in answer
    writer.close()


async def _sent_large(
    address: str, key: str, framing: bytes
) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
    """32 MiB of spaces, all of them before anything is read."""
    reader, writer = await _opened(address)
    writer.write(_head(key, framing))
    piece = b" " * 1024 * 1024
    for _ in range(32):
        writer.write(b"100000\r\n" + piece + b"\r\n" if b"chunked" in framing else piece)
        await writer.drain()
    if b"chunked" in framing:
        writer.write(b"0\r\n\r\n")
    return reader, writer


def _head(key: str, framing: bytes) -> bytes:
    return (
        b"POST /v1/things HTTP/1.1\r\nHost: api\r\nContent-Type: application/json\r\n"
        b"Authorization: Bearer " + key.encode() + b"\r\n" + framing + b"\r\n\r\n"
    )


async def _opened(address: str) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
    host, _, port = address.removeprefix("http://").partition(":")
    return await asyncio.open_connection(host, int(port))
