"""Events: facts written in the transaction of the change they report."""

from datetime import datetime
from typing import Any, Literal
from uuid import UUID

import msgspec

Mode = Literal["live", "test"]
Form = Literal["twilio"]


class Event(msgspec.Struct, frozen=True, kw_only=True):
    """One fact. Public events of a call carry `sequence`, from 1; `flow.*` kinds tell a call's own story
    and are never delivered. `data` is the payload of the contract's envelope (§6), ready for JSON."""

    id: UUID
    workspace_id: UUID
    mode: Mode
    kind: str
    data: dict[str, Any]
    occurred_at: datetime
    call_id: UUID | None = None
    number_id: UUID | None = None
    sequence: int | None = None


class Endpoint(msgspec.Struct, frozen=True, kw_only=True):
    """A URL besides the subscriptions that is to hear of an event: a number's `events_url`, a call's `webhook_url`.

    `form` is in whose words: None is the envelope; `twilio` is for status callbacks that stand in TwiML.
    """

    url: str
    form: Form | None = None
