"""Cutting a byte stream into SIP messages by Content-Length (RFC 3261 §18.3, §20.14)."""

import re

MAX_HEAD = 16_384
MAX_BODY = 49_152

_LENGTH = re.compile(
    rb"(?:^|\r\n)(?:content-length|l)[ \t]*:[ \t]*([0-9]{1,6})[ \t]*(?=\r\n|$)", re.IGNORECASE
)


class BrokenStream(ValueError):
    """The stream cannot be followed any further; the connection has to go."""


class StreamFramer:
    """Feed it what was received; it gives whole messages and counts keep-alive pings.

    A double CRLF between messages is a ping to be answered by one CRLF (RFC 5626 §3.5.1); a single
    one is a pong, or the leftover line end that RFC 3261 §7.5 tells us to ignore.
    """

    def __init__(self) -> None:
        self._buffer = bytearray()
        self._needed = 0  # bytes of the message whose head is complete; 0 while the head is not

    @property
    def between_messages(self) -> bool:
        return not self._buffer

    def feed(self, data: bytes) -> tuple[list[bytes], int]:
        """Whole messages, and how many pings came. Raises `BrokenStream`."""
        self._buffer += data
        messages: list[bytes] = []
        pings = 0
        while True:
            if not self._needed:
                pings += self._skip_line_ends()
                if not self._measure():
                    return messages, pings
            if len(self._buffer) < self._needed:
                return messages, pings
            messages.append(bytes(self._buffer[: self._needed]))
            del self._buffer[: self._needed]
            self._needed = 0

    def _skip_line_ends(self) -> int:
        end = 0
        while end < len(self._buffer) and self._buffer[end] in b"\r\n":
            end += 1
        if end == len(self._buffer) and self._buffer[-1:] == b"\r":
            end -= 1  # half a line end: its other half may make it a ping
            end -= end % 4
        pings = bytes(self._buffer[:end]).count(b"\r\n\r\n")
        del self._buffer[:end]
        return pings

    def _measure(self) -> bool:
        head_end = self._buffer.find(b"\r\n\r\n", 0, MAX_HEAD + 4)
        if head_end < 0:
            if len(self._buffer) > MAX_HEAD:
                raise BrokenStream("head too long")
            return False
        lengths = {int(match) for match in _LENGTH.findall(bytes(self._buffer[:head_end]))}
        if len(lengths) != 1:
            raise BrokenStream("Content-Length missing or contradicting itself")
        length = lengths.pop()
        if length > MAX_BODY:
            raise BrokenStream("body too long")
        self._needed = head_end + 4 + length
        return True
