"""Controlled calls as the database and clients see them."""

from collections.abc import Sequence
from datetime import datetime
from enum import StrEnum
from typing import Any

import msgspec

DEFAULT_TIMEOUT_MS = 10_000


class Control(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """The `control` column of a call: how it is controlled. Actions are as they were sent, and were checked then."""

    kind: str = "mcp"
    timeout_ms: int = DEFAULT_TIMEOUT_MS
    hold_audio_url: str | None = None
    opening_actions: list[Any] | None = None
    fallback_actions: list[Any] | None = None


class ControlEventKind(StrEnum):
    TURN = "turn"  # answer it with `control/respond`
    TIMEOUT = "timeout"  # the turn before passed unanswered
    FALLBACK = (
        "fallback"  # the second turn in a row passed unanswered: the fallback actions run, then the call ends
    )
    ENDED = "ended"  # the call is over; nothing follows


class ControlEvent(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """One thing a controlled call tells. `sequence` counts from 1 without gaps and is the cursor after it.

    A `turn` has `turn` (its own sequence, for the response), `state` (`Answered`, `DigitsCollected`, …, as in
    voice callbacks), `digits`, `results` (fields of the action that ended, by their names in callbacks), `done` (what
    ran since the turn before), `silences` (turns in a row that nobody answered) and `respond_before`.
    `timeout` and `fallback` name the `turn` they are about. `ended` has the call's final `status`, its
    `hangup_cause` and `duration_seconds`.
    """

    sequence: int
    kind: ControlEventKind
    at: str
    turn: int | None = None
    state: str = ""
    digits: str = ""
    results: dict[str, str] = {}
    done: Sequence[dict[str, Any]] = ()
    silences: int = 0
    respond_before: str = ""
    status: str = ""
    hangup_cause: str = ""
    duration_seconds: int | None = None


class OpenedTurn(msgspec.Struct, frozen=True):
    sequence: int
    respond_before: datetime
