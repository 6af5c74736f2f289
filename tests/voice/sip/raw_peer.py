"""A far end made of one UDP socket, for what SIPp cannot be told to do."""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from typing import cast

from sipmessage import Request, Response

from sautikitd.voice.sip.hops import Hop, Source, Transport
from sautikitd.voice.sip.transactions import reply
from sautikitd.voice.sip.wire import Arrival, arrival, read_message, write_message
from voice.sip.far_end import OUR_SDP

Headers = Sequence[tuple[str, str]]


class RawPeer(asyncio.DatagramProtocol):
    def __init__(self) -> None:
        self._got: asyncio.Queue[Arrival] = asyncio.Queue()
        self._transport: asyncio.DatagramTransport | None = None
        self.port = 0
        self.pings: asyncio.Queue[bytes] = asyncio.Queue()
        """Keep-alives."""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.DatagramTransport, transport)
        self.port = int(transport.get_extra_info("sockname")[1])

    def datagram_received(self, data: bytes, addr: tuple[str, int]) -> None:
        if not data.strip():
            self.pings.put_nowait(data)
            return
        self._got.put_nowait(arrival(read_message(data), Source(Transport.UDP, *addr)))

    @property
    def hop(self) -> Hop:
        return Hop(host="127.0.0.1", port=self.port)

    @property
    def contact(self) -> str:
        return f"<sip:peer@127.0.0.1:{self.port}>"

    async def request(self, method: str, *, seconds: float = 3) -> Arrival:
        """The next request with this method; others are passed over."""
        async with asyncio.timeout(seconds):
            while True:
                got = await self._got.get()
                if isinstance(got.message, Request) and got.message.method == method:
                    return got

    async def response(self, *, to: str | None = None, seconds: float = 3) -> Arrival:
        """The next response above 100; with `to`, of those to that method: a 200 to an INVITE may come again."""
        async with asyncio.timeout(seconds):
            while True:
                got = await self._got.get()
                if isinstance(got.message, Response) and got.message.code > 100 and to in (None, got.method):
                    return got

    async def silence(self, seconds: float = 0.15) -> bool:
        """Whether nothing came for so long."""
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                await self._got.get()
                return False
        return True

    def answer(
        self, request: Arrival, code: int, *, tag: str = "peer", headers: Headers = (), body: bytes = b""
    ) -> None:
        response = reply(request, code, to_tag=tag)
        for name, value in headers:
            response.headers.add(name, value)
        if body:
            response.headers.set("Content-Type", "application/sdp")
            response.body = body
        self.send(write_message(response), request.source.port)

    def accept(
        self, invite: Arrival, *, tag: str = "peer", contact: str | None = None, headers: Headers = ()
    ) -> None:
        """200 with SDP to an INVITE."""
        self.answer(
            invite, 200, tag=tag, headers=[("Contact", contact or self.contact), *headers], body=OUR_SDP
        )

    def send(self, data: bytes, port: int) -> None:
        assert self._transport is not None
        self._transport.sendto(data, ("127.0.0.1", port))

    def call(
        self,
        port: int,
        method: str,
        *,
        branch: str,
        cseq: int = 1,
        call_id: str = "one-call",
        to_tag: str | None = None,
        headers: Headers = (),
        body: bytes = b"",
    ) -> None:
        """A request to a user agent on `port`, dialog or not."""
        written = self.written(
            port,
            method,
            branch=branch,
            cseq=cseq,
            call_id=call_id,
            to_tag=to_tag,
            headers=headers,
            body=body,
        )
        self.send(written, port)

    def written(
        self,
        port: int,
        method: str,
        *,
        branch: str,
        cseq: int = 1,
        call_id: str = "one-call",
        to_tag: str | None = None,
        headers: Headers = (),
        body: bytes = b"",
    ) -> bytes:
        lines = [
            f"{method} sip:+254709000001@127.0.0.1:{port} SIP/2.0",
            f"Via: SIP/2.0/UDP 127.0.0.1:{self.port};rport;branch=z9hG4bK{branch}",
            "From: <sip:+254711000001@127.0.0.1>;tag=caller",
            "To: <sip:+254709000001@127.0.0.1>" + (f";tag={to_tag}" if to_tag else ""),
            f"Call-ID: {call_id}",
            f"CSeq: {cseq} {method}",
            f"Contact: {self.contact}",
            "Max-Forwards: 70",
            *(f"{name}: {value}" for name, value in headers),
            f"Content-Length: {len(body)}",
        ]
        return "\r\n".join(lines).encode() + b"\r\n\r\n" + body

    def call_back(
        self,
        request: Arrival,
        method: str,
        *,
        branch: str,
        cseq: int,
        body: bytes = b"",
        headers: Headers = (),
    ) -> None:
        """A request of ours inside the dialog that `request` belongs to."""
        target = request.header("Contact").strip("<>") or f"sip:127.0.0.1:{request.source.port}"
        lines = [
            f"{method} {target} SIP/2.0",
            f"Via: SIP/2.0/UDP 127.0.0.1:{self.port};rport;branch=z9hG4bK{branch}",
            f"From: {request.header('To')}",
            f"To: {request.header('From')}",
            f"Call-ID: {request.call_id}",
            f"CSeq: {cseq} {method}",
            f"Contact: {self.contact}",
            *(f"{name}: {value}" for name, value in headers),
            f"Content-Length: {len(body)}",
        ]
        self.send("\r\n".join(lines).encode() + b"\r\n\r\n" + body, request.source.port)

    def close(self) -> None:
        if self._transport is not None:
            self._transport.close()


@asynccontextmanager
async def raw_peer(host: str = "127.0.0.1") -> AsyncIterator[RawPeer]:
    _, peer = await asyncio.get_running_loop().create_datagram_endpoint(RawPeer, local_addr=(host, 0))
    try:
        yield peer
    finally:
        peer.close()
