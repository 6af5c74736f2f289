"""Finding calls: one call with all that belongs to it, pages of them, and the CSV export."""

from collections.abc import AsyncIterator, Sequence
from typing import Any
from uuid import UUID

from sautikitd.calls import repository
from sautikitd.calls.errors import CallNotFound
from sautikitd.calls.models import COLUMNS, Call, CallRecord, record_of
from sautikitd.calls.outcomes import CallStatus
from sautikitd.calls.requests import ListCalls
from sautikitd.calls.session_ids import is_session_id
from sautikitd.calls.views import show_call, show_event
from sautikitd.csv_lines import csv_lines
from sautikitd.database.pool import Connection, Database
from sautikitd.events.models import Mode
from sautikitd.http.pagination import decode_cursor
from sautikitd.recordings.service import RecordingService
from sautikitd.timestamps import rfc3339, shown
from sautikitd.wallet.models import EntryType
from sautikitd.wallet.service import Wallets

EXPORT_PAGE = 1000


def read_reference(text: str) -> UUID | str:
    """A call's id or session id as it stands in a path. Raises `CallNotFound` for anything else."""
    if is_session_id(text):
        return text
    try:
        return UUID(text)
    except ValueError:
        raise CallNotFound(reference=text[:64]) from None


async def find(connection: Connection, workspace_id: UUID, mode: Mode, reference: str) -> CallRecord:
    call = await repository.find(connection, workspace_id, mode, read_reference(reference))
    if call is None:
        raise CallNotFound(reference=reference[:64])
    return call


class CallSearch:
    """Calls with all that belongs to them."""

    def __init__(self, wallets: Wallets, recordings: RecordingService) -> None:
        self._wallets = wallets
        self._recordings = recordings

    async def whole(self, connection: Connection, call: CallRecord) -> Call:
        """One call with its legs, ledger entries, newest recording and latest hundred events."""
        legs = (await repository.legs_of(connection, [call.id])).get(call.id, [])
        entries = await self._entries(connection, [call.id, *(leg.id for leg in legs)])
        recordings = await self._recordings.latest(connection, [call.id])
        events = await repository.latest_events(connection, call.id)
        position = None
        if call.status is CallStatus.QUEUED:
            position = 1 + await repository.queued_ahead(connection, call)
        return show_call(
            call,
            legs=legs,
            entries=entries,
            recording=recordings.get(call.id),
            events=[show_event(row) for row in events],
            queue_position=position,
        )

    async def many(self, connection: Connection, calls: Sequence[CallRecord]) -> list[Call]:
        """Calls of a list, each with its legs' costs and its recording; `events` stays empty."""
        ids = [call.id for call in calls]
        legs = await repository.legs_of(connection, ids)
        leg_ids = [leg.id for group in legs.values() for leg in group]
        entries = await self._entries(connection, ids + leg_ids)
        recordings = await self._recordings.latest(connection, ids)
        return [
            show_call(call, legs=legs.get(call.id, ()), entries=entries, recording=recordings.get(call.id))
            for call in calls
        ]

    async def _entries(self, connection: Connection, call_ids: Sequence[UUID]) -> dict[UUID, UUID]:
        """The ledger entry that charged each call, where one did."""
        found = await self._wallets.entry_ids(
            connection, EntryType.CALL, [str(call_id) for call_id in call_ids]
        )
        return {UUID(call_id): entry for call_id, entry in found.items()}


async def page(
    connection: Connection,
    workspace_id: UUID,
    mode: Mode,
    wish: ListCalls,
    number_ids: frozenset[UUID] | None,
    limit: int | None = None,
) -> list[CallRecord]:
    """Calls that match, newest first, one more than asked where there are more."""
    where, values = _conditions(workspace_id, mode, wish, number_ids)
    values.append((limit or wish.limit) + 1)
    rows = await connection.fetch(
        f"SELECT {COLUMNS} FROM calls WHERE {' AND '.join(where)} ORDER BY id DESC LIMIT ${len(values)}",
        *values,
    )
    return [record_of(row) for row in rows]


def _conditions(
    workspace_id: UUID, mode: Mode, wish: ListCalls, number_ids: frozenset[UUID] | None
) -> tuple[list[str], list[Any]]:
    where, values = ["workspace_id = $1", "mode = $2"], [workspace_id, mode]

    def add(condition: str, value: Any) -> None:
        values.append(value)
        where.append(condition.replace("?", f"${len(values)}"))

    after = decode_cursor(wish.cursor)
    if after:
        add("id < ?", after)
    if wish.status:
        add("status = ANY (?::call_status[])", wish.status.split(","))
    if wish.direction:
        add("direction = ?", wish.direction)
    if wish.session_id:
        add("session_id = ?", wish.session_id)
    if wish.number_id:
        add("number_id = ?", wish.number_id)
    if wish.parent_call_id:
        add("parent_call_id = ?", wish.parent_call_id)
    if wish.q:
        add("(strpos(remote_e164, ?) > 0 OR strpos(session_id, ?) > 0)", wish.q)
    if wish.start:
        add("created_at >= ?", wish.start)
    if wish.end:
        add("created_at < ?", wish.end)
    if number_ids is not None:
        add("number_id = ANY (?)", list(number_ids))
    return where, values


CSV_COLUMNS = (
    *("id", "session_id", "parent_call_id", "direction", "from", "to", "status", "created_at", "started_at"),
    *("answered_at", "ended_at", "billed_seconds", "rate_per_minute_minor", "cost_minor", "currency"),
    *("hangup_cause", "hangup_by", "failure_code", "client_request_id"),
)


async def export(
    database: Database, workspace_id: UUID, mode: Mode, wish: ListCalls, number_ids: frozenset[UUID] | None
) -> AsyncIterator[bytes]:
    """Every matching call as CSV, newest first, a page at a time: memory does not grow with the export."""
    yield csv_lines([CSV_COLUMNS])
    async with database.connection() as connection, connection.transaction():
        where, values = _conditions(workspace_id, mode, wish, number_ids)
        statement = f"SELECT {COLUMNS} FROM calls WHERE {' AND '.join(where)} ORDER BY id DESC"
        cursor = await connection.cursor(statement, *values)
        while rows := await cursor.fetch(EXPORT_PAGE):
            yield csv_lines([_csv_row(record_of(row)) for row in rows])


def _csv_row(call: CallRecord) -> Sequence[Any]:
    times = (rfc3339(call.created_at), shown(call.started_at), shown(call.answered_at), shown(call.ended_at))
    return (
        *(call.id, call.session_id, call.parent_call_id, call.direction, call.from_address, call.to_address),
        *(call.status.value, *times, call.billed_seconds, call.rate_per_minute_minor, call.cost_minor),
        *(call.cost_currency, call.hangup_cause, call.hangup_by, call.failure_code, call.client_request_id),
    )
