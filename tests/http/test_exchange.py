"""A request read and an answer sent, message by message, as an ASGI server does it."""

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import pytest

from sautikitd.http.exchange import Disconnected, Exchange, Streamed

SCOPE = {"type": "http", "method": "POST", "path": "/v1/x", "query_string": b"", "headers": []}


class Server:
    """Hands over `messages` one by one, then waits; keeps what is sent."""

    def __init__(self, *messages: dict[str, Any]) -> None:
        self._messages = list(messages)
        self.gone = asyncio.Event()
        self.sent: list[dict[str, Any]] = []

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
