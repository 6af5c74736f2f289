"""What every verb is, and what a verb may ask of the flow it runs in."""

from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Annotated, ClassVar, NamedTuple, Protocol
from urllib.parse import urlsplit
from uuid import UUID

import msgspec

from sautikitd.egress.urls import check_url
from sautikitd.flow.callbacks.question import Question
from sautikitd.flow.port import Dialled, DialSpec, Leg, RecordingTold
from sautikitd.flow.rooms_port import RoomsPort
from sautikitd.flow.streams import Streamer

if TYPE_CHECKING:  # it reads flows, and so knows every verb
    from sautikitd.flow.callbacks.client import CallbackReply

TOLD_CHARACTERS = 200

Keys = Annotated[str, msgspec.Meta(pattern=r"^[0-9*#A-D]*$(?!\n)", max_length=16)]
"""Any of these keys; the empty text means none. (`$` alone would let a line break pass.)"""

ADDRESS = "address"
"""The mark of a field that is a URL: `http` or `websocket`."""

Reference = Annotated[str, msgspec.Meta(min_length=1, max_length=8192, extra={ADDRESS: "http"})]
"""An absolute http(s) URL, or one relative to the URL that gave the flow."""

Loop = Annotated[int, msgspec.Meta(ge=0, le=1000)]
"""How many times; 0 means once."""


class Flaw(NamedTuple):
    """What is wrong with one field of a verb: its JSON name, or `name/0` for one in a list. `code` is a
    `flow.document.ProblemCode`."""

    field: str
    reason: str
    code: str = "flow.field_invalid"


class References(Protocol):
    """What relative URLs are relative to."""

    def absolute(self, reference: str) -> str | None:
        """Resolves a URL against the one that gave the flow; None for a relative one with nothing there."""
        ...

    def warn(self, reason: str, *, field: str = "") -> None:
        """Writes a `flow.warning` about the current action."""
        ...


class Run(References, Protocol):
    """The running flow, as a verb sees it."""

    @property
    def leg(self) -> Leg: ...

    @property
    def inbound(self) -> bool: ...

    @property
    def rooms(self) -> RoomsPort: ...

    @property
    def voice_callback(self) -> Question | None:
        """A question to the call's voice callback, or None when the call has none."""
        ...

    def recording_url(self, recording_id: UUID) -> str: ...

    def tell(self, **facts: str) -> None:
        """Adds facts to the entry that closes the current action in the journal."""
        ...

    def hide(self, digits: str) -> None:
        """Keeps these digits out of every log and event of this flow from now on."""
        ...

    async def answer(self) -> None:
        """Answers an inbound call; does nothing on one that is answered."""
        ...

    async def dial(self, spec: DialSpec) -> Dialled:
        """See `flow.port.Dialler`."""
        ...

    @property
    def streams(self) -> Streamer:
        """The streams of this call."""
        ...

    async def ask(self, question: Question) -> None:
        """Asks a callback; its reply replaces the flow, so that nothing after the current action runs."""
        ...

    async def consult(self, question: Question) -> "CallbackReply | None":
        """Asks on the side: the flow goes on, whatever comes. None where nothing usable came."""
        ...

    def replace(self, reply: "CallbackReply") -> None:
        """Puts the reply's flow in the place of this one: nothing after the current action runs."""
        ...


class Verb(msgspec.Struct, frozen=True, kw_only=True, rename="camel", tag_field="verb", omit_defaults=True):
    """One action of a flow. Fields are its attributes, camelCase in JSON; the tag is its name."""

    answers: ClassVar[bool] = False
    """Whether running it answers an inbound call (contract §5)."""

    takes_time: ClassVar[bool] = False
    """Whether it keeps the caller busy; a flow that only asks and never does is stopped as a loop."""

    nested_verbs: ClassVar[Mapping[str, frozenset[str]]] = {}
    """Fields (JSON names) that hold actions themselves, and the verbs allowed in each."""

    @classmethod
    def verb_name(cls) -> str:
        return str(cls.__struct_config__.tag)

    @classmethod
    def passed_over(cls, fields: Mapping[str, object]) -> Iterator[Flaw]:
        """Fields whose value we do not know but can do without: they warn and take their default."""
        yield from ()

    def flaws(self) -> Iterator[Flaw]:
        """What no single field's type can say: exclusive fields, URLs, things not built yet."""
        yield from ()

    def remarks(self) -> Iterator[Flaw]:
        """What will not be done as it was meant, though the verb can run: each becomes a warning."""
        yield from ()

    async def execute(self, run: Run) -> None:
        """Does it. `LegGone` and cancellation pass through; nothing else is raised."""
        raise NotImplementedError(type(self).__name__)

    def told(self) -> str:
        """One line for the call's story, short and free of secrets."""
        return self.verb_name()


def told_of_recording(run: Run, reference: str | None, source: str) -> RecordingTold | None:
    """The verb's `recordingStatusCallback`."""
    url = run.absolute(reference) if reference is not None else None
    if reference is not None and url is None:
        reason = "a relative URL, and no URL that it could be relative to"
        run.warn(reason, field="recordingStatusCallback")
    return RecordingTold(url=url, source=source) if url is not None else None


def reference_flaws(field: str, reference: str | None) -> Iterator[Flaw]:
    """Checks the text of an absolute or relative URL; where it leads is checked when it is asked."""
    if reference is None:
        return
    try:
        absolute = bool(urlsplit(reference).scheme)
    except ValueError as error:
        yield Flaw(field, f"not a URL: {error}")
        return
    url = reference if absolute else f"https://relative.invalid/{reference.lstrip('/')}"
    problem = check_url(url, live=False, allow_private=True)
    if problem is not None:
        yield Flaw(field, problem.reason)


def shortened(text: str) -> str:
    line = " ".join(text.split())
    return line if len(line) <= TOLD_CHARACTERS else line[: TOLD_CHARACTERS - 1] + "…"
