"""Reads one HTTP/1.1 response (RFC 9112) from the bytes of a connection, as they come, up to a limit."""

import re
import zlib
from collections.abc import Mapping
from typing import Protocol

LARGEST_HEAD = 32 * 1024
"""Bytes of a status line with its fields, of one chunk's line, and of all trailers."""

MOST_INTERIM = 32
"""1xx responses before the final one."""

_HEAD_END = re.compile(rb"\r?\n\r?\n")
_STATUS_LINE = re.compile(r"HTTP/1\.([01]) ([1-5]\d\d)(?: .*)?", re.ASCII)
_FIELD_NAME = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+")
_CHUNK_LINE = re.compile(rb"([0-9a-fA-F]{1,15})[ \t]*(?:;.*)?")
_NO_BODY = frozenset({204, 304})
_UNTIL_CLOSED = -1


class NotHttp(ValueError):
    """What came is no HTTP/1.x response; the message says what is wrong with it."""


class TooLarge(ValueError):
    """The body is longer than the caller takes."""


class _Coding(Protocol):
    """A `zlib` decompressor: `decompress` returns at most so many bytes."""

    def decompress(self, data: bytes, max_length: int, /) -> bytes: ...


class ReplyReader:
    """`feed` until it returns True; then the response is in `status`, `headers` and `body`.

    The body is kept up to `body_bytes`, counted after decompression; a longer one is cut and `truncated`, or
    is `TooLarge` where `truncate` is false. `reusable` says whether another request may follow on the connection.
    """

    def __init__(self, method: str, *, body_bytes: int, truncate: bool) -> None:
        self.status = 0  # of the final response, once its head has been read
        self.headers: Mapping[str, str] = {}
        self.body = b""
        self.truncated = False
        self.reusable = False
        self._bodiless = method == "HEAD"
        self._limit = body_bytes
        self._truncate = truncate
        self._pending = b""
        self._interim = 0
        self._kept = bytearray()
        self._coding: _Coding | None = None
        self._chunked = False
        self._left = 0  # of the body, or of the chunk, with its CRLF; or `_UNTIL_CLOSED`
        self._trailers = -1  # bytes of trailers read, once the last chunk has been

    @property
    def begun(self) -> bool:
        """Whether a single byte has come."""
        return bool(self.status or self._interim or self._pending)

    def feed(self, data: bytes) -> bool:
        """Whether the response is complete. Raises `NotHttp`, `TooLarge`."""
        if self._pending:
            data = self._pending + data
            self._pending = b""
        while not self.status:
            found = _HEAD_END.search(data)
            if found is None or found.end() > LARGEST_HEAD:
                if len(data) > LARGEST_HEAD:
                    raise NotHttp("its head is too long")
                if not data.startswith(b"HTTP/1."[: len(data)]):
                    raise NotHttp("it does not begin with a status line")
                self._pending = data
                return False
            if self._read_head(data[: found.start()]):
                return self._complete(data[found.end() :])
            data = data[found.end() :]
            if not data:
                return False
        return self._read_chunks(data) if self._chunked else self._read_plain(data)

    def ended(self) -> bool:
        """The other side closed the connection: whether that was the end of the response."""
        if not self.status or self._left != _UNTIL_CLOSED:
            return False
        self.body = bytes(self._kept)
        return True

    def _read_head(self, head: bytes) -> bool:
        """Whether the response ends with its head. An interim one leaves `status` 0 and another must follow."""
        first, *lines = head.decode("utf-8", "surrogateescape").replace("\r\n", "\n").split("\n")
        found = _STATUS_LINE.fullmatch(first)
        if found is None:
            raise NotHttp("it does not begin with a status line")
        status = int(found[2])
        if status < 200:
            self._interim += 1
            if status == 101 or self._interim > MOST_INTERIM:
                raise NotHttp(f"an unasked status {status}")
            return False
        self.headers = headers = _fields(lines)
        self.status = status
        tokens = headers.get("connection", "").lower()
        self.reusable = "close" not in tokens and (found[1] == "1" or "keep-alive" in tokens)
        if self._bodiless or status in _NO_BODY:
            return True
        self._coding = _coding_of(headers)
        return self._frame(headers, modern=found[1] == "1")

    def _frame(self, headers: Mapping[str, str], *, modern: bool) -> bool:
        """Where the body ends (RFC 9112 §6.3); True where there is none."""
        length, coding = headers.get("content-length"), headers.get("transfer-encoding")
        if coding is not None:
            self._chunked = coding.lower().rpartition(",")[2].strip() == "chunked"
            self._left = 0 if self._chunked else _UNTIL_CLOSED
            self.reusable = self.reusable and self._chunked and modern and length is None
            return False
        if length is None:
            self._left, self.reusable = _UNTIL_CLOSED, False
            return False
        said = {one.strip() for one in length.split(",")}
        (one, *others) = said
        if others or not (one.isascii() and one.isdigit() and len(one) < 19):
            raise NotHttp("its Content-Length is not one number")
        self._left = int(one)
        return self._left == 0

    def _read_plain(self, data: bytes) -> bool:
        if self._left == _UNTIL_CLOSED:
            return not self._keep(data)
        mine, beyond = data[: self._left], data[self._left :]
        self._left -= len(mine)
        if not self._keep(mine):
            return True
        return self._left == 0 and self._complete(beyond)

    def _read_chunks(self, data: bytes) -> bool:
        at = 0
        while at < len(data):
            if self._left > 2:
                piece = data[at : at + self._left - 2]
                at += len(piece)
                self._left -= len(piece)
                if not self._keep(piece):
                    return True
                continue
            end = data.find(b"\n", at)
            if end < 0:
                break
            line, at = data[at : end + 1].removesuffix(b"\n").removesuffix(b"\r"), end + 1
            if self._read_line(line):
                return self._complete(data[at:])
        self._pending = data[at:]
        if len(self._pending) > LARGEST_HEAD:
            raise NotHttp("a chunk's line is too long")
        return False

    def _read_line(self, line: bytes) -> bool:
        """A chunk's end, its size, or a trailer; True at the end of the last one."""
        if self._trailers >= 0:
            self._trailers += len(line)
            if self._trailers > LARGEST_HEAD:
                raise NotHttp("its trailers are too long")
            return not line
        if self._left:  # the CRLF behind a chunk
            if line:
                raise NotHttp("a chunk is longer than it said")
            self._left = 0
            return False
        found = _CHUNK_LINE.fullmatch(line)
        if found is None:
            raise NotHttp("a chunk has no size")
        size = int(found[1], 16)
        if size:
            self._left = size + 2
        else:
            self._trailers = 0
        return False

    def _keep(self, piece: bytes) -> bool:
        """False when the limit was passed: the rest is not read, and the connection not used again."""
        room = self._limit - len(self._kept) + 1
        if self._coding is None:
            self._kept += piece[:room] if len(piece) > room else piece
        else:
            self._unpack(self._coding, piece, room)
        if len(self._kept) <= self._limit:
            return True
        if not self._truncate:
            raise TooLarge(f"the response is longer than {self._limit} bytes")
        del self._kept[self._limit :]
        self.body, self.truncated, self.reusable = bytes(self._kept), True, False
        return False

    def _unpack(self, coding: _Coding, piece: bytes, room: int) -> None:
        try:
            self._kept += coding.decompress(piece, room)
        except zlib.error as error:
            raise NotHttp("its body is not packed as it says") from error

    def _complete(self, beyond: bytes) -> bool:
        self.body = bytes(self._kept)
        if beyond:
            self.reusable = False
        return True


def _fields(lines: list[str]) -> dict[str, str]:
    """Names in lower case; of a repeated one the values are joined by `, `; folded lines are unfolded (§5.2)."""
    fields: dict[str, str] = {}
    name = ""
    for line in lines:
        if line[:1] in (" ", "\t"):
            if not name:
                raise NotHttp("its first field has no name")
            fields[name] = f"{fields[name]} {line.strip()}"
            continue
        name, colon, value = line.partition(":")
        if not colon or _FIELD_NAME.fullmatch(name) is None:
            raise NotHttp("a field has no name")
        name, value = name.lower(), value.strip(" \t")
        fields[name] = f"{fields[name]}, {value}" if name in fields else value
    return fields


def _coding_of(headers: Mapping[str, str]) -> _Coding | None:
    """We ask for none, but some servers pack whatever is asked; other codings are handed on as they came."""
    coding = headers.get("content-encoding")
    if coding is None:
        return None
    if coding.strip().lower() in ("gzip", "x-gzip", "deflate"):
        return zlib.decompressobj(zlib.MAX_WBITS | 32)  # either header
    return None
