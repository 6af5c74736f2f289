"""The story of a flow, one entry at a time: what was asked, what was answered, what ran, how long."""

from collections.abc import Mapping
from datetime import datetime
from enum import StrEnum
from typing import Protocol

import msgspec


class EntryKind(StrEnum):
    """Kinds of call events that a flow writes."""

    ASKED = "flow.asked"  # a callback is being asked: url, state
    ANSWERED = "flow.answered"  # it answered with a valid flow: url, status, duration_ms, how many actions
    FAILED = "flow.failed"  # it did not: url, outcome, duration_ms, text
    INVALID = "flow.invalid"  # one entry per problem of an invalid reply: pointer, text
    FALLBACK = "flow.fallback"  # the fallback URL is asked next
    WARNING = "flow.warning"  # something was passed over: pointer, text
    STARTED = "flow.verb_started"  # position, verb, text
    ENDED = "flow.verb_ended"  # position, verb, duration_ms, outcome, facts
    DEFAULT = "flow.default"  # nobody was there to ask: what is done instead
    ANSWERER = "flow.answerer_found"  # who answered, after how long, and how a greeting ended: facts
    APOLOGY = "flow.apology"  # the flow is given up: why
    TAKEN_OVER = "flow.replaced"  # a new flow came from outside while this one ran: text
    COMMANDED = "flow.commanded"  # something was asked of the call from outside, beside its flow: text


class VerbOutcome(StrEnum):
    DONE = "done"
    REPLACED = "replaced"  # a callback's reply took the place of what was left
    LEG_GONE = "leg_gone"
    STOPPED = "stopped"  # the flow was cancelled from outside, or could not go on
    FAILED = "failed"


class FlowEntry(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """Digits marked sensitive are masked in it. `text` is for people, at most a few hundred characters."""

    kind: EntryKind
    at: datetime
    text: str = ""
    verb: str = ""
    position: int | None = None
    url: str = ""
    state: str = ""
    status: int | None = None
    duration_ms: int | None = None
    outcome: str = ""
    pointer: str = ""
    facts: Mapping[str, str] = {}


class Journal(Protocol):
    def write(self, entry: FlowEntry) -> None:
        """Takes the entry to be stored as a call event. Must neither block nor raise."""
        ...
