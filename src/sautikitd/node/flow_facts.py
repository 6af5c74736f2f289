"""The facts of a call as its flow, and whoever is asked on its behalf, are told them."""

from datetime import datetime
from typing import Protocol
from uuid import UUID

from sautikitd.calls.models import CallRecord
from sautikitd.flow.callbacks.question import Method
from sautikitd.flow.context import CallbackFormat, Direction, FlowContext
from sautikitd.flow.document import Flow, FlowInvalid
from sautikitd.flow.reader import read_actions


class Heard(Protocol):
    """What was found out about who answered."""

    @property
    def answerer(self) -> str | None: ...

    @property
    def greeting_end(self) -> str | None: ...


def context_of(
    call: CallRecord, public_url: str, *, answered_at: datetime | None = None, heard: Heard | None = None
) -> FlowContext:
    """`answered_at` and `heard` are what a leg knows and the row may not, yet."""
    return FlowContext(
        call_id=call.id,
        session_id=call.session_id,
        direction=Direction(call.direction),
        from_number=call.from_address,
        to_number=call.to_address,
        live=call.mode == "live",
        client_request_id=call.client_request_id,
        answered_at=answered_at or call.answered_at,
        answered_by=(heard.answerer if heard else None) or call.answered_by,
        greeting_end=heard.greeting_end if heard else None,
        actions=_inline(call),
        voice_callback_url=call.voice_callback_url,
        voice_method=Method(call.voice_method),
        fallback_url=call.fallback_url,
        status_callback_url=call.status_callback_url,
        forward_to=call.forward_to,
        callback_format=CallbackFormat(call.callback_format),
        workspace_id=call.workspace_id,
        started_at=call.started_at or call.created_at,
        recording_url=recording_url(public_url, "{recording_id}"),
    )


def recording_url(public_url: str, recording_id: UUID | str) -> str:
    return f"{public_url}/v1/recordings/{recording_id}/media"


def _inline(call: CallRecord) -> Flow | None:
    """The inline actions, which were checked when the call was placed."""
    if call.actions is None:
        return None
    flow = read_actions(call.actions)
    return None if isinstance(flow, FlowInvalid) else flow
