"""The story of calls, written behind their backs: `flow.*` events and the log of voice callbacks, in batches."""

import asyncio
from collections import deque
from typing import Any
from urllib.parse import parse_qsl
from uuid import UUID

import msgspec
import structlog

from sautikitd.calls.models import CallRecord
from sautikitd.database.pool import Connection, Database, DatabaseUnavailable
from sautikitd.events.log import EventLog
from sautikitd.events.models import Event
from sautikitd.flow.callbacks.log import CallbackEntry
from sautikitd.flow.journal import FlowEntry
from sautikitd.ids import uuid7

log = structlog.get_logger(__name__)

_BATCH = 200
_EVERY_S = 0.1
_MOST_WAITING = 100_000  # a database away for long costs the oldest lines of the story, not the node's memory

_CALLBACK = """
INSERT INTO voice_callbacks (id, call_id, url, method, request, response_status, response_body, outcome, error, attempt,
                             duration_ms, created_at)
VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12) ON CONFLICT (id) DO NOTHING
"""


class JournalWriter:
    """One for the node. `close` writes what is left."""

    def __init__(self, database: Database, events: EventLog) -> None:
        self._database = database
        self._events = events
        self._waiting: deque[Event] = deque(maxlen=_MOST_WAITING)
        self._callbacks: deque[tuple[Any, ...]] = deque(maxlen=_MOST_WAITING)
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
            events = [self._waiting[index] for index in range(min(_BATCH, len(self._waiting)))]
            callbacks = [self._callbacks[index] for index in range(min(_BATCH, len(self._callbacks)))]
            try:
                async with self._database.transaction() as connection:
                    await self._write(connection, events, callbacks)
            except DatabaseUnavailable as exc:
                log.warning("node.journal_waits", waiting=len(self._waiting), error=repr(exc))
                self._arrived.set()
                return
            for _ in events:
                self._waiting.popleft()
            for _ in callbacks:
                self._callbacks.popleft()

    async def _write(
        self, connection: Connection, events: list[Event], callbacks: list[tuple[Any, ...]]
    ) -> None:
        if events:
            await self._events.record_many(connection, [(event, ()) for event in events])
        if callbacks:
            await connection.executemany(_CALLBACK, callbacks)

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
