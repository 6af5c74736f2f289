"""The voice node's end of the control socket: frames in as they arrive, and those of one turn of the loop out together."""

import asyncio
from collections.abc import Callable
from typing import Any

from sautikitd.voice.media.protocol import LARGEST_MESSAGE, LENGTH


class FrameSocket(asyncio.Protocol):
    """`on_body` takes each message's body; what it raises ends the connection, as does a message that is too large."""

    def __init__(self, on_body: Callable[[bytes], None], on_end: Callable[[], None]) -> None:
        self._loop = asyncio.get_running_loop()
        self._on_body = on_body
        self._on_end = on_end
        self._received = bytearray()
        self._unsent: list[bytes] = []
        self.ended: asyncio.Future[None] = self._loop.create_future()

    def connection_made(self, transport: Any) -> None:
        self._transport = transport

    def send(self, frame: bytes) -> None:
        """Goes out when this turn of the loop is over, with what else has been sent in it."""
        if not self._unsent:
            self._loop.call_soon(self._flush)
        self._unsent.append(frame)

    def close(self) -> None:
        self._flush()
        self._transport.close()

    def data_received(self, data: bytes) -> None:
        self._received += data
        while len(self._received) >= LENGTH.size:
            (size,) = LENGTH.unpack_from(self._received)
            if size > LARGEST_MESSAGE:
                raise ValueError(f"a message of {size} bytes is larger than {LARGEST_MESSAGE}")
            end = LENGTH.size + size
            if len(self._received) < end:
                return
            body = bytes(self._received[LENGTH.size : end])
            del self._received[:end]
            self._on_body(body)

    def connection_lost(self, exc: Exception | None) -> None:
        self._on_end()
        if not self.ended.done():
            self.ended.set_result(None)

    def _flush(self) -> None:
        frames, self._unsent = self._unsent, []
        if frames and not self._transport.is_closing():
            self._transport.write(b"".join(frames))
