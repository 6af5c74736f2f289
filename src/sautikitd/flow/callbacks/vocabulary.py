"""A vocabulary says a question in the words, and signs it in the way, that a handler expects."""

from collections.abc import Sequence
from datetime import datetime
from enum import StrEnum
from typing import Protocol

import msgspec

from sautikitd.flow.callbacks.question import Method, Question, SessionState
from sautikitd.flow.context import CallbackFormat, CallOutcome, FlowContext
from sautikitd.flow.xml.element import Dialect

Parameters = list[tuple[str, str]]
"""Form fields in the order in which they are sent."""


class EndReport(StrEnum):
    """Who gets the last report of a call (contract §5)."""

    VOICE_CALLBACK = "voice_callback"
    STATUS_CALLBACK = "status_callback"


class Asking(msgspec.Struct, frozen=True, kw_only=True):
    """One question with all that a vocabulary may want to say: the call, its state, and its outcome once
    it has ended. `question.url` is absolute here, `context.answered_at` is as of now. `duration_seconds`
    counts whole seconds since the answer."""

    context: FlowContext
    question: Question
    state: SessionState
    duration_seconds: int = 0
    outcome: CallOutcome | None = None


class Prepared(msgspec.Struct, frozen=True, kw_only=True):
    """A request ready to be signed. `parameters` are the form fields; `payload` the bytes of the body, or
    of a GET the raw query string."""

    url: str
    method: Method
    parameters: Parameters
    payload: bytes


class Vocabulary(Protocol):
    format: CallbackFormat

    end_report: EndReport

    dialect: Dialect | None
    """The XML dialect of its handlers' replies; None: each document decides for itself."""

    accept: str
    """The value of the `Accept` header."""

    def parameters(self, asking: Asking) -> Parameters: ...

    def signature(self, prepared: Prepared, secrets: Sequence[str], now: datetime) -> dict[str, str]:
        """The headers that sign it, for the valid secrets, newest first (none without a secret)."""
        ...
