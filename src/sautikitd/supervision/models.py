"""Supervisions as the database holds them and as clients see them."""

from datetime import datetime
from enum import StrEnum
from uuid import UUID

import msgspec

from sautikitd.database.pool import Record
from sautikitd.timestamps import rfc3339, shown


class SupervisionMode(StrEnum):
    """Who hears the supervisor; he always hears everybody, and what the platform plays to the caller."""

    LISTEN = "listen"  # nobody
    WHISPER = "whisper"  # the agent
    BARGE = "barge"  # everybody


class SupervisionState(StrEnum):
    CONNECTING = "connecting"
    RINGING = "ringing"
    CONNECTED = "connected"
    ENDED = "ended"  # he had been connected, or was called off
    FAILED = "failed"  # he could not be reached

    @property
    def over(self) -> bool:
        return self in (SupervisionState.ENDED, SupervisionState.FAILED)


TRANSITIONS: dict[SupervisionState, frozenset[SupervisionState]] = {
    SupervisionState.CONNECTING: frozenset(
        {
            SupervisionState.RINGING,
            SupervisionState.CONNECTED,
            SupervisionState.ENDED,
            SupervisionState.FAILED,
        }
    ),
    SupervisionState.RINGING: frozenset(
        {SupervisionState.CONNECTED, SupervisionState.ENDED, SupervisionState.FAILED}
    ),
    SupervisionState.CONNECTED: frozenset({SupervisionState.ENDED}),
    SupervisionState.ENDED: frozenset(),
    SupervisionState.FAILED: frozenset(),
}


class Announce(StrEnum):
    """Who is told, in words, when the supervisor comes in."""

    NONE = "none"
    AGENT = "agent"
    BOTH = "both"


class SupervisorType(StrEnum):
    PHONE = "phone"
    SIP = "sip"
    CLIENT = "client"


class SupervisionRecord(msgspec.Struct, frozen=True, kw_only=True):
    """One row of `supervisions`. Columns and fields carry the same names."""

    id: UUID
    call_id: UUID
    supervision_mode: SupervisionMode
    announce: Announce
    notify_agent: bool
    label: str | None
    supervisor_type: SupervisorType
    supervisor_address: str
    state: SupervisionState
    leg_id: UUID | None
    reason: str | None
    created_at: datetime
    connected_at: datetime | None
    ended_at: datetime | None


COLUMNS = ", ".join(SupervisionRecord.__struct_fields__)


def record_of(row: Record) -> SupervisionRecord:
    return msgspec.convert(dict(row.items()), SupervisionRecord)


class ShownSupervisor(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """`number` of a phone, `identity` of a client or a SIP address."""

    type: str
    identity: str | None = None
    number: str | None = None
    label: str | None = None


class Supervision(msgspec.Struct, frozen=True, kw_only=True):
    """A supervision as clients see it. `supervisor_leg_id` is the call of the supervisor's own leg, with its price.

    `reason` says why it failed or ended: a code of ours, a hangup cause, `stopped`, or `call_ended`.
    """

    supervision_id: UUID
    call_id: UUID
    session_id: str
    supervisor_leg_id: UUID | None
    mode: str
    announce: str
    supervisor: ShownSupervisor
    notify_agent: bool
    state: str
    reason: str | None
    created_at: str
    connected_at: str | None
    ended_at: str | None


def show_supervision(record: SupervisionRecord, session_id: str) -> Supervision:
    phone = record.supervisor_type is SupervisorType.PHONE
    return Supervision(
        supervision_id=record.id,
        call_id=record.call_id,
        session_id=session_id,
        supervisor_leg_id=record.leg_id,
        mode=record.supervision_mode.value,
        announce=record.announce.value,
        supervisor=ShownSupervisor(
            type=record.supervisor_type.value,
            number=record.supervisor_address if phone else None,
            identity=None if phone else record.supervisor_address,
            label=record.label,
        ),
        notify_agent=record.notify_agent,
        state=record.state.value,
        reason=record.reason,
        created_at=rfc3339(record.created_at),
        connected_at=shown(record.connected_at),
        ended_at=shown(record.ended_at),
    )
