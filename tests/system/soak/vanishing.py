"""A far end that is cut off: it answers every INVITE once, and then neither says nor answers anything."""

import asyncio

from sipmessage import Message, Request, Response

from sautikitd.voice.sip import sdp


class VanishingPhone(asyncio.DatagramProtocol):
    """SIP over UDP on loopback. Its media goes nowhere; in a dialog nothing gets an answer: no BYE, no
    re-INVITE, no OPTIONS."""

    def __init__(self) -> None:
        self.answered: set[str] = set()
        self.byes = 0
        self._transport: asyncio.DatagramTransport | None = None

    async def start(self, port: int) -> None:
        loop = asyncio.get_running_loop()
        self._transport, _ = await loop.create_datagram_endpoint(lambda: self, local_addr=("127.0.0.1", port))

    def stop(self) -> None:
        if self._transport is not None:
            self._transport.close()

    def datagram_received(self, data: bytes, addr: tuple[str, int]) -> None:
        message = Message.parse(data)
        assert self._transport is not None
        if not isinstance(message, Request):
            return
        self.byes += message.method == "BYE"
        if message.method not in ("INVITE", "OPTIONS") or "tag=" in message.headers["To"]:
            return
        response = Response(200, "OK")
        for name in ("Via", "From", "Call-ID", "CSeq"):
            response.headers.setlist(name, list(message.headers.getlist(name)))
        response.headers.set("To", f"{message.headers['To']};tag=gone")
        own = self._transport.get_extra_info("sockname")[1]
        response.headers.set("Contact", f"<sip:gone@127.0.0.1:{own}>")
        if message.method == "INVITE":
            self.answered.add(message.headers["Call-ID"])
            response.headers.set("Content-Type", "application/sdp")
            response.body = sdp.answer(sdp.parse(message.body), "127.0.0.1", 9, session_id=1).encode()
        self._transport.sendto(bytes(response), addr)
