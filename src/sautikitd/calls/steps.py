"""The steps that calls take while they run, as values: any number of them can be taken in one transaction."""

from dataclasses import dataclass
from datetime import datetime
from typing import Any, TypeAlias
from uuid import UUID

from sautikitd.calls.models import CallRecord
from sautikitd.calls.outcomes import CallStatus, HangupBy, HangupCause


@dataclass(frozen=True, kw_only=True)
class Ending:
    """How a call ended. `status` is for calls that were never answered."""

    cause: HangupCause
    by: HangupBy
    at: datetime
    status: CallStatus = CallStatus.FAILED
    sip_code: int | None = None
    quality: dict[str, Any] | None = None


@dataclass(frozen=True, kw_only=True)
class Alerting:
    """The far end rings (180 or 183). Emits `call.ringing`, once."""

    call_id: UUID
    at: datetime


@dataclass(frozen=True, kw_only=True)
class Answering:
    """ringing → answered. `dialog` is what a BYE from another process needs. Emits `call.answered`."""

    call_id: UUID
    at: datetime
    dialog: dict[str, Any] | None


@dataclass(frozen=True, kw_only=True)
class Closing:
    """Any live status → a terminal one: settles or releases the hold, and emits the one final event.

    `keep_dialog` leaves what a BYE needs for whoever sends it. `unfinished` is what the far end may not have heard yet, a
    BYE or a CANCEL: it takes the place of that, for whoever has to repeat it, should the node die before it is answered.
    `reported_until`: who ends it tells its voice callback so by then; else any voice node does.
    """

    call_id: UUID
    ending: Ending
    keep_dialog: bool = False
    unfinished: dict[str, Any] | None = None
    reported_until: datetime | None = None


Step: TypeAlias = Alerting | Answering | Closing


@dataclass(frozen=True)
class Taken:
    """What became of a step: the call as it is now (None: there is none), and whether this step changed it."""

    call: CallRecord | None
    changed: bool
