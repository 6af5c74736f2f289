"""From rows to what clients see."""

import math
from collections.abc import Sequence
from typing import Any
from uuid import UUID

from sautikitd.calls.models import Call, CallEvent, CallRecord, CostLine, Quality
from sautikitd.database.pool import Record
from sautikitd.recordings.models import RecordingSummary
from sautikitd.timestamps import rfc3339, shown


def show_call(
    call: CallRecord,
    *,
    legs: Sequence[CallRecord] = (),
    entries: dict[UUID, UUID] | None = None,
    recording: RecordingSummary | None = None,
    events: Sequence[CallEvent] = (),
    queue_position: int | None = None,
) -> Call:
    """The public form. `entries` maps a call to the ledger entry that charged it; `legs` are its children."""
    return Call(
        id=call.id,
        workspace_id=call.workspace_id,
        session_id=call.session_id,
        parent_call_id=call.parent_call_id,
        number_id=call.number_id,
        direction=call.direction,
        from_=call.from_address,
        to=call.to_address,
        local_e164=call.local_e164,
        remote_e164=call.remote_e164,
        country=call.country,
        status=call.status,
        started_at=shown(call.started_at),
        ringing_at=shown(call.ringing_at),
        answered_at=shown(call.answered_at),
        ended_at=shown(call.ended_at),
        duration_seconds=duration_of(call),
        billed_seconds=call.billed_seconds,
        cost_minor=call.cost_minor,
        cost_currency=call.cost_currency,
        total_cost_minor=call.cost_minor + sum(leg.cost_minor for leg in legs),
        rate_per_minute_minor=call.rate_per_minute_minor,
        cost_breakdown=[_cost_line(one, entries or {}) for one in (call, *legs) if one.cost_minor],
        failure_code=call.failure_code,
        hangup_cause=call.hangup_cause,
        hangup_by=call.hangup_by,
        sip_code=call.sip_code,
        answered_by=call.answered_by,
        queue_position=queue_position,
        recording=recording,
        quality=Quality(**call.quality) if call.quality else None,
        client_request_id=call.client_request_id,
        metadata=call.metadata,
        mode=call.mode,
        created_at=rfc3339(call.created_at),
        updated_at=rfc3339(call.updated_at),
        legs=[leg.id for leg in legs],
        events=events,
    )


def duration_of(call: CallRecord) -> int | None:
    """Whole seconds from answer to end, rounded up; None while it lasts or when there was no answer."""
    if call.answered_at is None or call.ended_at is None:
        return None
    return math.ceil((call.ended_at - call.answered_at).total_seconds())


def _cost_line(call: CallRecord, entries: dict[UUID, UUID]) -> CostLine:
    seconds, rate = call.billed_seconds or 0, call.rate_per_minute_minor
    arithmetic = f"ceil({seconds} s × {rate} / 60) = {call.cost_minor}"
    return CostLine(
        call.id, call.to_address, seconds, rate, call.cost_minor, arithmetic, entries.get(call.id)
    )


def show_event(row: Record) -> CallEvent:
    """An event as part of its call: without the copy of the call that its webhook carries."""
    payload = {name: value for name, value in row["data"].items() if name != "call"}
    occurred, created = rfc3339(row["occurred_at"]), rfc3339(row["created_at"])
    return CallEvent(row["id"], row["call_id"], row["kind"], payload, occurred, created)


def event_data(call: CallRecord, entry_id: UUID | None = None) -> dict[str, Any]:
    """`data` of a call event (contract §6): the flat fields, and the whole call under `call`. `entry_id` is the ledger
    entry that charged it.

    `status` is that of the call, but for `call.started`, where it is `started`: nothing rings yet.
    """
    status = "started" if call.status == "ringing" and call.ringing_at is None else call.status
    data: dict[str, Any] = {
        "call_id": call.id,
        "session_id": call.session_id,
        "parent_call_id": call.parent_call_id,
        "direction": call.direction,
        "from": call.from_address,
        "to": call.to_address,
        "number_id": call.number_id,
        "status": status,
        "client_request_id": call.client_request_id,
        "started_at": shown(call.started_at),
        "ringing_at": shown(call.ringing_at),
        "answered_at": shown(call.answered_at),
        "ended_at": shown(call.ended_at),
        "duration_seconds": duration_of(call),
        "cost_minor": call.cost_minor,
        "cost_currency": call.cost_currency,
        "failure_code": call.failure_code,
        "failure_reason": call.failure_code,
        "hangup_cause": call.hangup_cause,
        "hangup_by": call.hangup_by,
        "sip_code": call.sip_code,
        "answered_by": call.answered_by,
        "call": show_call(call, entries={call.id: entry_id} if entry_id else None),
    }
    return data
