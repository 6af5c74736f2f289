"""Waiting for control events: one look at the database for all who wait in this process."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import suppress
from dataclasses import dataclass
from uuid import UUID

import msgspec
import structlog

from sautikitd.calls import search
from sautikitd.calls.controlled import turns
from sautikitd.calls.controlled.models import ControlEvent, ControlEventKind
from sautikitd.calls.models import CallRecord
from sautikitd.database.pool import Database, DatabaseUnavailable
from sautikitd.database.wake import Listener

log = structlog.get_logger(__name__)

POLL_S = 0.5
PAGE = 100
BEAT_S = 10.0
"""Between two signs of life of a stream that has nothing to tell."""

STREAM_S = 300.0
"""A stream ends after that long; its reader comes back with `Last-Event-ID`, and his key is looked at again."""


@dataclass(eq=False)
class _Waiting:
    call_id: UUID
    after: int
    news: asyncio.Event


class ControlFeed:
    """Run `run` beside the API; without it nothing but the first look is ever seen."""

    def __init__(self, database: Database, database_url: str) -> None:
        self._database = database
        self._listener = Listener(database_url, {turns.CHANNEL: self._wake})
        self._woken = asyncio.Event()
        self._waiting: set[_Waiting] = set()

    async def run(self) -> None:
        """Until cancelled."""
        listening = asyncio.create_task(self._listener.run())
        try:
            while True:
                with suppress(TimeoutError):
                    async with asyncio.timeout(POLL_S):
                        await self._woken.wait()
                self._woken.clear()
                try:
                    await self._look()
                except DatabaseUnavailable as exc:
                    log.warning("control.feed_waits", error=repr(exc))
        finally:
            listening.cancel()
            await asyncio.gather(listening, return_exceptions=True)

    async def events(self, call: CallRecord, after: int, wait_s: float) -> list[ControlEvent]:
        """What came after `after`; waits up to `wait_s` for the first of it, then may be empty."""
        waiting = _Waiting(call.id, after, asyncio.Event())
        self._waiting.add(waiting)  # before the first look, so that nothing falls between it and the waiting
        try:
            found = await self._read(call, after)
            if found or wait_s <= 0:
                return found
            with suppress(TimeoutError):
                async with asyncio.timeout(wait_s):
                    await waiting.news.wait()
            return await self._read(call, after)
        finally:
            self._waiting.discard(waiting)

    async def stream(self, call: CallRecord, after: int) -> AsyncIterator[bytes]:
        """Server-sent events (WHATWG HTML §9.2): `id` is the sequence, `event` the kind, `data` the JSON."""
        until = asyncio.get_running_loop().time() + STREAM_S
        yield b"retry: 1000\n\n"
        while (left := until - asyncio.get_running_loop().time()) > 0:
            found = await self.events(call, after, min(BEAT_S, left))
            if not found:
                yield b": waiting\n\n"
            for event in found:
                after = event.sequence
                yield _frame(event)
                if event.kind is ControlEventKind.ENDED:
                    return

    def _wake(self) -> None:
        self._woken.set()

    async def _read(self, call: CallRecord, after: int) -> list[ControlEvent]:
        async with self._database.connection() as connection:
            now = await search.find(connection, call.workspace_id, call.mode, str(call.id))
            return await turns.events_after(connection, now, after, PAGE)

    async def _look(self) -> None:
        if not self._waiting:
            return
        waiting = list(self._waiting)
        async with self._database.connection() as connection:
            rows = await connection.fetch(_NEWS, list({one.call_id for one in waiting}))
        newest = {row["id"]: (row["newest"], row["ended"]) for row in rows}
        for one in waiting:
            last, ended = newest.get(one.call_id, (0, True))
            if ended or last > one.after:
                one.news.set()


def _frame(event: ControlEvent) -> bytes:
    text = msgspec.json.encode(event).decode()
    return f"id: {event.sequence}\nevent: {event.kind.value}\ndata: {text}\n\n".encode()


_NEWS = """
SELECT calls.id, calls.status NOT IN ('queued', 'ringing', 'answered') AS ended,
       (SELECT coalesce(max(sequence), 0) FROM control_events WHERE call_id = calls.id) AS newest
FROM calls WHERE calls.id = ANY ($1)
"""
