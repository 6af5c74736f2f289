"""What a flow may ask for of rooms and queues: the port that `node/` implements. Nothing here knows media or SQL."""

from collections.abc import Awaitable, Callable, Mapping
from enum import StrEnum
from typing import Protocol
from uuid import UUID

import msgspec

from sautikitd.flow.port import Prompt, RecordingTold


class Gathering(msgspec.Struct, frozen=True, kw_only=True):
    """Keys that are waited for after `prompts`, which the first one cuts short: `most` of them (0: any number)."""

    most: int
    finish_on_key: str
    timeout_s: int
    prompts: tuple[Prompt, ...] = ()


class WaitEnd(StrEnum):
    """What a wait URL may say is to become of who waits."""

    LEAVE = "leave"
    HANGUP = "hangup"


class Sound(msgspec.Struct, frozen=True, kw_only=True):
    """What is heard next, `loop` times over; then `keys` are gathered, and it is asked again, or the wait is over."""

    prompts: tuple[Prompt, ...]
    loop: int = 1
    keys: Gathering | None = None
    end: WaitEnd | None = None


class Sounds(Protocol):
    """What somebody hears who waits: of the verb's `waitUrl`, or of another URL."""

    async def next(self, facts: Mapping[str, str], url: str | None = None, digits: str = "") -> Sound:
        """`facts` (position, size, …) go with the question where a URL is asked, and so do the `digits` that the sound
        before waited for. Never fails: there is music."""
        ...


class BeepOn(StrEnum):
    NONE = "none"
    ENTER = "enter"
    EXIT = "exit"
    BOTH = "both"


class ConferenceSpec(msgspec.Struct, frozen=True, kw_only=True):
    """The room and the seat that is wanted in it. `status_events` are words of `STATUS_WORDS`."""

    name: str
    most: int
    record: bool = False
    recording_told: RecordingTold | None = None
    beep: BeepOn = BeepOn.NONE
    muted: bool = False
    starts: bool = True
    ends: bool = False
    coach: str | None = None  # id or session id of the call that he is heard by
    status_url: str | None = None
    status_events: tuple[str, ...] = ()
    twilio_status: bool = False  # in Twilio's words, whatever those of the call are
    num_digits: int | None = None  # gather keys, so many at a time (0: until the finish key)
    finish_on_key: str = "#"


class AttendEnd(StrEnum):
    """How a participation ended for the flow."""

    LEFT = "left"  # by his own keys: the flow was replaced
    KICKED = "kicked"
    ENDED = "conference_ended"
    FULL = "full"
    FAILED = "failed"


class Attended(msgspec.Struct, frozen=True, kw_only=True):
    end: AttendEnd
    seconds: int = 0
    conference_id: UUID | None = None


class QueueLeft(msgspec.Struct, frozen=True, kw_only=True):
    """`result` is a value of TwiML's QueueResult, or `timeout`; times in whole seconds."""

    result: str
    wait_seconds: int = 0
    talk_seconds: int = 0
    queue_id: UUID | None = None
    taken_by: UUID | None = None


class Dequeued(msgspec.Struct, frozen=True, kw_only=True):
    """`call_id` is None when nobody came in time."""

    call_id: UUID | None = None
    wait_seconds: int = 0  # how long the caller had waited
    talk_seconds: int = 0


OnDigits = Callable[[str], Awaitable[bool]]
"""Takes what a participant has pressed; whether his flow was replaced by it, so that he leaves."""


class RoomsPort(Protocol):
    """Every method raises `LegGone` when the leg ends; cancelling it takes the leg out of room and queue."""

    async def attend(self, spec: ConferenceSpec, sounds: Sounds, on_digits: OnDigits) -> Attended:
        """Joins the conference of that name and stays until it is over for this leg."""
        ...

    async def enqueue(self, name: str, *, most: int | None, longest_s: int, sounds: Sounds) -> QueueLeft:
        """Waits until somebody takes this leg, and talks to him until either goes."""
        ...

    async def dequeue(self, name: str, *, longest_s: int, sounds: Sounds) -> Dequeued:
        """Takes the oldest waiting caller, waiting for one up to `longest_s`, and talks to him until either goes."""
        ...


class NoRooms:
    """Of an engine without rooms."""

    async def attend(self, spec: ConferenceSpec, sounds: Sounds, on_digits: OnDigits) -> Attended:
        return Attended(end=AttendEnd.FAILED)

    async def enqueue(self, name: str, *, most: int | None, longest_s: int, sounds: Sounds) -> QueueLeft:
        return QueueLeft(result="error")

    async def dequeue(self, name: str, *, longest_s: int, sounds: Sounds) -> Dequeued:
        return Dequeued()


STATUS_WORDS = ("start", "end", "join", "leave", "mute", "unmute", "hold", "record")
"""What `conference.statusEvents` may name."""
