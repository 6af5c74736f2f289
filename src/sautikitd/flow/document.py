"""A flow as read: its actions, what was passed over, or why it cannot be run."""

from enum import StrEnum

import msgspec

from sautikitd.flow.verbs.registry import AnyVerb

MAX_ACTIONS = 50


class ProblemCode(StrEnum):
    MALFORMED = "flow.malformed"  # neither JSON nor XML, or not the shape of a flow
    TOO_LARGE = "flow.too_large"
    TOO_MANY_ACTIONS = "flow.too_many_actions"
    VERB_UNKNOWN = "flow.verb_unknown"
    FIELD_REQUIRED = "flow.field_required"
    FIELD_INVALID = "flow.field_invalid"
    TRANSCRIPTION_UNAVAILABLE = "flow.transcription_unavailable"  # this installation has no engine for it


class FlowProblem(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """One reason why a flow is invalid. `pointer` is a JSON pointer (RFC 6901) into the reply; of an XML
    reply it is an XPath (`/Response/Gather[1]/@timeout`), and `reason` ends with the line."""

    code: ProblemCode
    pointer: str
    reason: str
    suggestion: str | None = None


class FlowWarning(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """Something passed over: an unknown attribute, voice or language. The flow runs without it."""

    pointer: str
    reason: str
    suggestion: str | None = None


class Flow(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """A valid flow: 0 to 50 actions in order. None at all hangs up."""

    actions: tuple[AnyVerb, ...] = ()
    warnings: tuple[FlowWarning, ...] = ()


class FlowInvalid(msgspec.Struct, frozen=True, kw_only=True):
    """Every problem found, in document order (at most 100), and what would have been passed over besides."""

    problems: tuple[FlowProblem, ...]
    warnings: tuple[FlowWarning, ...] = ()

    def __str__(self) -> str:
        return "; ".join(f"{problem.pointer or '/'}: {problem.reason}" for problem in self.problems[:5])
