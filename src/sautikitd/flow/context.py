"""What a flow knows about its call. The node fills it in; nothing here reads a database."""

from datetime import datetime
from enum import StrEnum
from uuid import UUID

import msgspec

from sautikitd.flow.callbacks.question import Method
from sautikitd.flow.document import Flow
from sautikitd.flow.port import Dialled


class Direction(StrEnum):
    INBOUND = "inbound"
    OUTBOUND = "outbound"


class CallbackFormat(StrEnum):
    """The vocabularies of voice callbacks (contract §5)."""

    SAUTIKIT = "sautikit"
    AFRICASTALKING = "africastalking"
    TWILIO = "twilio"


class FlowContext(msgspec.Struct, frozen=True, kw_only=True):
    """The facts of one call. Changing them for a running flow means a new runner (`structs.replace`).

    `actions` (inline, run instead of a first callback) win over `voice_callback_url`; with both, the URL
    is still where `getDigits` asks by default. `status_callback_url` gets the last report in vocabularies
    that do not send it to the voice callback (Twilio's). `recording_url` is a template with `{recording_id}`.
    """

    call_id: UUID
    session_id: str
    direction: Direction
    from_number: str
    to_number: str
    live: bool
    currency: str = "KES"
    workspace_id: UUID | None = None
    started_at: datetime | None = None
    client_request_id: str | None = None
    answered_at: datetime | None = None
    answered_by: str | None = None
    greeting_end: str | None = None  # beep, silence or limit: of a machine that was listened to until then
    actions: Flow | None = None
    voice_callback_url: str | None = None
    voice_method: Method = Method.POST
    fallback_url: str | None = None
    forward_to: str | None = None  # where an inbound call without callback and actions is forwarded
    status_callback_url: str | None = None
    callback_format: CallbackFormat = CallbackFormat.SAUTIKIT
    recording_url: str = ""

    def recording_url_of(self, recording_id: UUID) -> str:
        return self.recording_url.replace("{recording_id}", str(recording_id))


class KeptRecording(msgspec.Struct, frozen=True, kw_only=True):
    """A recording of a call that has ended. `duration_seconds` is None while it is not stored."""

    id: UUID
    url: str
    duration_seconds: int | None = None


class CallOutcome(msgspec.Struct, frozen=True, kw_only=True):
    """How a call ended, for the final report. `cost_minor` in cents; `hangup_cause` of `calls.models`; `sip_code` is
    that of the final response, where there was one; `dialled` is what became of the last dial."""

    duration_seconds: int
    cost_minor: int
    hangup_cause: str
    ended_at: datetime | None = None
    sip_code: int | None = None
    recording: KeptRecording | None = None
    dialled: Dialled | None = None

    @property
    def recording_url(self) -> str:
        return self.recording.url if self.recording else ""

    @property
    def amount(self) -> str:
        """The cost as a decimal in the call's currency: `1.05`."""
        return f"{self.cost_minor // 100}.{self.cost_minor % 100:02d}"
