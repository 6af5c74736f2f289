"""A small SMTP server (RFC 5321 §4.5.1, the minimum) that keeps the newest mails in memory."""

import asyncio
import contextlib
from collections import deque
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from email import message_from_bytes, policy
from email.message import EmailMessage

_KEPT = 200
_LARGEST = 1024 * 1024
_LINE = 64 * 1024


class Mailbox:
    """What came, newest first. `refuse` may give a reply line for a recipient instead of taking the mail."""

    def __init__(self, refuse: Callable[[str], str | None] = lambda _: None) -> None:
        self.mails: deque[EmailMessage] = deque(maxlen=_KEPT)
        self.refuse = refuse

    @asynccontextmanager
    async def listening(self, host: str, port: int) -> AsyncIterator[int]:
        """Takes mail while the block lasts; gives the port, chosen by the system for 0."""
        server = await asyncio.start_server(self._converse, host, port, limit=_LINE)
        async with server:
            yield server.sockets[0].getsockname()[1]

    async def _converse(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.suppress(OSError, asyncio.IncompleteReadError, asyncio.LimitOverrunError):
            await _Conversation(self, reader, writer).run()
        writer.close()
        with contextlib.suppress(OSError):
            await writer.wait_closed()

    def take(self, raw: bytes) -> None:
        self.mails.appendleft(message_from_bytes(raw, policy=policy.default))


class _Conversation:
    def __init__(self, box: Mailbox, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._box = box
        self._reader = reader
        self._writer = writer

    async def run(self) -> None:
        await self._say("220 mail simulator")
        while True:
            line = (await self._reader.readuntil(b"\r\n")).decode("utf-8", "replace").strip()
            verb = line[:4].upper()
            if verb == "QUIT":
                await self._say("221 bye")
                return
            if verb == "DATA":
                await self._say("354 end with a line of one dot")
                await self._say(await self._body())
            elif verb == "RCPT":
                await self._say(self._box.refuse(line.partition("<")[2].partition(">")[0]) or "250 ok")
            else:
                known = verb in ("EHLO", "HELO", "MAIL", "RSET", "NOOP")
                await self._say("250 ok" if known else "502 not here")

    async def _body(self) -> str:
        lines: list[bytes] = []
        size = 0
        while (line := await self._reader.readuntil(b"\r\n")) != b".\r\n":
            size += len(line)
            if size <= _LARGEST:
                lines.append(line[1:] if line.startswith(b".") else line)  # dot-stuffing, RFC 5321 §4.5.2
        if size > _LARGEST:
            return "552 too large"
        self._box.take(b"".join(lines))
        return "250 kept"

    async def _say(self, line: str) -> None:
        self._writer.write(line.encode() + b"\r\n")
        await self._writer.drain()
