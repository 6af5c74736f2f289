"""A browser as far as SIP goes: aiohttp's WebSocket client, and messages written out by hand."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import aiohttp
from sipmessage import Response

from sautikitd.voice.sip.hops import Source, Transport
from sautikitd.voice.sip.transactions import reply
from sautikitd.voice.sip.wire import Arrival, arrival, read_message, write_message

CONTACT = "<sip:b7k2@d3adb33f.invalid;transport=ws>"


class Browser:
    """Speaks SIP as text over one WebSocket; `binary` sends bytes instead."""

    def __init__(self, socket: aiohttp.ClientWebSocketResponse, *, binary: bool = False) -> None:
        self.socket = socket
        self._binary = binary
        self.latest: Arrival | None = None

    async def send(self, data: bytes) -> None:
        if self._binary:
            await self.socket.send_bytes(data)
        else:
            await self.socket.send_str(data.decode())

    async def request(
        self,
        method: str,
        *headers: str,
        body: bytes = b"",
        cseq: int = 1,
        tag: str = "",
        user: str = "b7k2",
        to: str = "+254712000001",
        branch: str = "",
    ) -> None:
        """A request of one call (or registration); `to` "" is the registrar."""
        whom = f"{to}@" if to else ""
        lines = [
            f"{method} sip:{whom}127.0.0.1 SIP/2.0",
            f"Via: SIP/2.0/WS d3adb33f.invalid;branch=z9hG4bK{branch or f'{method}{cseq}'}",
            f"From: <sip:{user}@127.0.0.1>;tag=browser",
            f"To: <sip:{to or user}@127.0.0.1>" + (f";tag={tag}" if tag else ""),
            f"Call-ID: from-a-browser-{to}",
            f"CSeq: {cseq} {method}",
            *headers,
        ]
        if not any(header.startswith("Contact:") for header in headers):
            lines.append(f"Contact: {CONTACT}")
        await self.send("\r\n".join(lines).encode() + b"\r\n\r\n" + body)

    async def read(self, *, at_least: int = 101) -> Arrival:
        """The next message that is no provisional answer below `at_least`."""
        while True:
            got = await self.socket.receive(timeout=5)
            assert got.type in (aiohttp.WSMsgType.TEXT, aiohttp.WSMsgType.BINARY), got
            assert (got.type is aiohttp.WSMsgType.BINARY) == self._binary
            data = got.data if self._binary else got.data.encode()
            message = read_message(data)
            if not isinstance(message, Response) or message.code >= at_least:
                return arrival(message, Source(Transport.WS, "127.0.0.1", 0))

    async def answer(self, request: Arrival, code: int, body: bytes = b"") -> None:
        response = reply(request, code, to_tag="browser")
        response.headers.set("Contact", CONTACT)
        response.body = body
        if body:
            response.headers.set("Content-Type", "application/sdp")
        await self.send(write_message(response))


@asynccontextmanager
async def browsing(url: str, *, binary: bool = False, **connecting: Any) -> AsyncIterator[Browser]:
    """Connects to a WebSocket; `connecting` goes to aiohttp (`ssl`, `headers`)."""
    async with (
        aiohttp.ClientSession() as session,
        session.ws_connect(url, protocols=("sip",), **connecting) as socket,
    ):
        assert socket.protocol == "sip"
        yield Browser(socket, binary=binary)
