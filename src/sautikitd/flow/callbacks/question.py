"""What a flow asks a callback URL, before any vocabulary has put it into words."""

from collections.abc import Mapping
from enum import StrEnum

import msgspec

from sautikitd.flow.callbacks.log import CallbackOutcome


class Method(StrEnum):
    POST = "POST"
    GET = "GET"


class SessionState(StrEnum):
    """Where the call stands when a callback is asked (`callSessionState`, contract §5)."""

    RINGING = "Ringing"
    ANSWERED = "Answered"
    DIGITS_COLLECTED = "DigitsCollected"
    DIAL_COMPLETED = "DialCompleted"
    RECORD_COMPLETED = "RecordCompleted"
    STREAM_STOPPED = "StreamStopped"
    TRANSFER_COMPLETED = "TransferCompleted"
    QUEUE_LEFT = "QueueLeft"
    COMPLETED = "Completed"


class Failure(msgspec.Struct, frozen=True, kw_only=True):
    """Why the fallback URL is asked: which URL gave no flow, and how."""

    url: str
    outcome: CallbackOutcome


class Question(msgspec.Struct, frozen=True, kw_only=True):
    """`url` may be relative. No `state` means what the call itself says: `Ringing` or `Answered`.

    `results` are the fields of the verb that ended, by their names in the sautikit vocabulary. One that is asked
    on the side (`aside`) may be answered with sound, or with nothing, instead of a flow. `failure` is for the fallback URL.
    """

    url: str
    method: Method = Method.POST
    state: SessionState | None = None
    digits: str = ""
    sensitive: bool = False
    results: Mapping[str, str] = {}
    aside: bool = False
    failure: Failure | None = None


def masked(digits: str) -> str:
    """As many asterisks as there were digits, for logs and events."""
    return "*" * len(digits)
