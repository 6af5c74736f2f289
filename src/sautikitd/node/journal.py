"""The story of calls, written behind their backs: `flow.*` events and the log of voice callbacks, in batches."""

import asyncio
from collections import deque
from collections.abc import Sequence
from itertools import islice
from typing import Any, TypeVar
from urllib.parse import parse_qsl
from uuid import UUID

import msgspec
import structlog

from sautikitd.calls.models import CallRecord
from sautikitd.database.pool import Database, DatabaseUnavailable
from sautikitd.events.log import EventLog
from sautikitd.events.models import Event
from sautikitd.flow.callbacks.log import CallbackEntry
from sautikitd.flow.journal import FlowEntry
from sautikitd.ids import uuid7

log = structlog.get_logger(__name__)
T = TypeVar("T")

_BATCH = 200
_EVERY_S = 0.1
_MOST_WAITING = 100_000  # a database away for long costs the oldest lines of the story, not the node's memory

_CALLBACK = """
INSERT INTO voice_callbacks (id, call_id, url, method, request, response_status, response_body, outcome, error, attempt,
                             duration_ms, created_at)
VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12) ON CONFLICT (id) DO NOTHING
"""


class JournalWriter:
    """One for the node. `flush` writes what is left."""

    def __init__(self, database: Database, events: EventLog, *, most_waiting: int = _MOST_WAITING) -> None:
        self._database = database
        self._events = events
        self._waiting: deque[Event] = deque(maxlen=most_waiting)
        self._callbacks: deque[tuple[Any, ...]] = deque(maxlen=most_waiting)
        self._arrived = asyncio.Event()
        self._writing = asyncio.Lock()

    def of(self, call: CallRecord) -> "CallJournal":
        return CallJournal(self, call)

    async def run(self) -> None:
        """Writes until cancelled."""
        while True:
            await self._arrived.wait()
            await asyncio.sleep(_EVERY_S)  # gathers a batch
            self._arrived.clear()
            await self.flush()

    async def flush(self) -> None:
        """Writes all that waits; gives up, keeping it, while the database is away."""
        async with self._writing:  # what one is writing, another must not write again
            await self._flush()

    async def _flush(self) -> None:
        while self._waiting or self._callbacks:
            events, callbacks = _first(self._waiting), _first(self._callbacks)
            try:
                await self._write(events, callbacks)
            except DatabaseUnavailable as exc:
                log.warning("node.journal_waits", waiting=len(self._waiting), error=repr(exc))
                self._arrived.set()
                return
            except Exception:
                log.exception("node.journal_refused", events=len(events), callbacks=len(callbacks))
                await self._write_singly(events, callbacks)
            _drop(self._waiting, events)
            _drop(self._callbacks, callbacks)

    async def _write(self, events: Sequence[Event], callbacks: Sequence[tuple[Any, ...]]) -> None:
        """What is there already, since nobody knew whether it was committed, is left as it is."""
        async with self._database.transaction() as connection:
            if events:
                await self._events.tell(connection, events)
            if callbacks:
                await connection.executemany(_CALLBACK, callbacks)

    async def _write_singly(self, events: Sequence[Event], callbacks: Sequence[tuple[Any, ...]]) -> None:
        """A line that the database refuses is lost, and logged; it does not stop the story of the other calls."""
        lines: list[tuple[list[Event], list[tuple[Any, ...]]]] = [([event], []) for event in events]
        lines += [([], [row]) for row in callbacks]
        for one_event, one_callback in lines:
            try:
                await self._write(one_event, one_callback)
            except Exception:
                kind = one_event[0].kind if one_event else "callback"
                log.exception("node.journal_line_lost", kind=kind)

    def add_event(self, event: Event) -> None:
        self._waiting.append(event)
        self._arrived.set()

    def add_callback(self, call_id: UUID, entry: CallbackEntry) -> None:
        request = {"body": dict(parse_qsl(entry.request_body, keep_blank_values=True))}
        row = (
            *(uuid7(), call_id, entry.url, entry.method, request, entry.status),
            *(entry.response_body or None, entry.outcome.value, entry.error or None),
            *(entry.attempt, entry.duration_ms, entry.requested_at),
        )
        self._callbacks.append(row)
        self._arrived.set()


def _first(waiting: deque[T]) -> list[T]:
    return list(islice(waiting, _BATCH))


def _drop(waiting: deque[T], written: Sequence[T]) -> None:
    """Takes out of the front what was written, as far as an overflow has not pushed it out meanwhile."""
    for line in written:
        if waiting and waiting[0] is line:
            waiting.popleft()


class CallJournal:
    """One call's: the `Journal` and the `CallbackLog` of its flow."""

    def __init__(self, writer: JournalWriter, call: CallRecord) -> None:
        self._writer = writer
        self._call = call

    def write(self, entry: FlowEntry) -> None:
        data = msgspec.to_builtins(entry)
        del data["kind"], data["at"]
        event = Event(
            id=uuid7(),
            workspace_id=self._call.workspace_id,
            mode=self._call.mode,
            kind=entry.kind.value,
            call_id=self._call.id,
            number_id=self._call.number_id,
            data=data,
            occurred_at=entry.at,
        )
        self._writer.add_event(event)

    def record(self, entry: CallbackEntry) -> None:
        self._writer.add_callback(self._call.id, entry)
