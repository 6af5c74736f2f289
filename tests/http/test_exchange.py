"""A request read and an answer sent, message by message, as an ASGI server does it."""

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import pytest

from sautikitd.http.exchange import MOST_DISCARDED, Disconnected, Exchange, Streamed, Whole

SCOPE = {"type": "http", "method": "POST", "path": "/v1/x", "query_string": b"", "headers": []}


class Server:
    """Hands over `messages` one by one, then waits; keeps what is sent."""

    def __init__(self, *messages: dict[str, Any]) -> None:
        self._messages = list(messages)
        self.gone = asyncio.Event()
        self.sent: list[dict[str, Any]] = []

    @property
    def left(self) -> int:
        return len(self._messages)

    async def receive(self) -> dict[str, Any]:
        if self._messages:
            return self._messages.pop(0)
        await self.gone.wait()
        return {"type": "http.disconnect"}

    async def send(self, message: dict[str, Any]) -> None:
        self.sent.append(message)


def part(body: bytes, *, more: bool) -> dict[str, Any]:
    return {"type": "http.request", "body": body, "more_body": more}


async def test_a_body_is_read_to_its_end() -> None:
    server = Server(part(b"ab", more=True), part(b"", more=True), part(b"c", more=False))
    exchange = Exchange(SCOPE, server.receive, server.send)
    assert [chunk async for chunk in exchange.body()] == [b"ab", b"c"]


async def test_a_client_that_leaves_in_the_middle_of_its_body_is_noticed() -> None:
    server = Server(part(b"ab", more=True), {"type": "http.disconnect"})
    with pytest.raises(Disconnected):
        [chunk async for chunk in Exchange(SCOPE, server.receive, server.send).body()]


def test_a_header_sent_twice_is_one_with_commas() -> None:
    headers = [(b"X-Forwarded-For", b"1.1.1.1"), (b"x-forwarded-for", b"2.2.2.2")]
    server = Server()
    exchange = Exchange(SCOPE | {"headers": headers}, server.receive, server.send)
    assert exchange.headers == {"x-forwarded-for": "1.1.1.1, 2.2.2.2"}


async def test_a_stream_ends_with_its_last_bytes() -> None:
    async def words() -> AsyncIterator[bytes]:
        yield b"a"
        yield b"b"

    server = Server()
    await Streamed(words(), 200, {}, "text/csv").send(server.send, server.receive)
    assert [message.get("body") for message in server.sent] == [None, b"a", b"b", b""]
    assert (b"content-type", b"text/csv; charset=utf-8") in server.sent[0]["headers"]


async def test_a_stream_is_closed_when_its_reader_leaves() -> None:
    closed = asyncio.Event()

    async def for_ever() -> AsyncIterator[bytes]:
        try:
            yield b"a"
            await asyncio.Event().wait()
        finally:
            closed.set()

    server = Server()
    sending = asyncio.ensure_future(
        Streamed(for_ever(), 200, {}, "text/plain").send(server.send, server.receive)
    )
    while len(server.sent) < 2:
        await asyncio.sleep(0)
    server.gone.set()
    await asyncio.wait_for(sending, 5)
    assert closed.is_set()


async def test_a_stream_that_fails_breaks_the_answer_off() -> None:
    async def broken() -> AsyncIterator[bytes]:
        yield b"a"
        raise OSError("the store is away")

    server = Server()
    with pytest.raises(OSError, match="away"):
        await Streamed(broken(), 200, {}, "text/plain").send(server.send, server.receive)
    assert server.sent[-1]["more_body"] is True


ANSWER = Whole(b"{}", 413, {}, "application/json")


def declared(length: int, *, version: str = "1.1", **headers: str) -> dict[str, Any]:
    fields = {"content-length": str(length), **headers}
    listed = [(name.encode(), value.encode()) for name, value in fields.items()]
    return SCOPE | {"headers": listed, "http_version": version}


async def test_what_is_left_of_a_body_is_taken_before_the_answer() -> None:
    server = Server(part(b"ab", more=True), part(b"c", more=False))
    await Exchange(declared(3), server.receive, server.send).answer(ANSWER)
    assert server.left == 0
    assert server.sent[0]["status"] == 413


@pytest.mark.parametrize(
    "scope",
    [declared(MOST_DISCARDED + 1), declared(3, expect="100-continue"), declared(0), SCOPE],
    ids=["beyond the limit", "waits to be told", "empty", "none"],
)
async def test_a_client_that_need_not_send_is_answered_at_once(scope: dict[str, Any]) -> None:
    server = Server(part(b"abc", more=False))
    await Exchange(scope, server.receive, server.send).answer(ANSWER)
    assert server.left == 1
    assert server.sent[0]["status"] == 413


async def test_a_body_of_unknown_length_is_taken_up_to_a_limit() -> None:
    piece = part(bytes(MOST_DISCARDED // 2), more=True)
    server = Server(*[piece] * 5)
    scope = SCOPE | {"headers": [(b"transfer-encoding", b"chunked")]}
    await Exchange(scope, server.receive, server.send).answer(ANSWER)
    assert server.left == 2
