"""What a flow may ask of a leg. `voice/` is one implementation; nothing here knows SIP, RTP or SQL.

Every method raises `LegGone` as soon as the far end, a limit or an operator has ended the leg, so an
interpreter needs no hang-up checks of its own. Cancelling a call stops what it had started (playback,
collection, recording), which is how a running flow is replaced.
"""

from collections.abc import Sequence
from datetime import datetime
from enum import StrEnum
from typing import Protocol
from uuid import UUID

import msgspec


class Say(msgspec.Struct, frozen=True, kw_only=True, tag="say"):
    """Speech. `rate` is a factor, 0.5 to 2.0; `ssml` says that `text` is an SSML fragment."""

    text: str
    voice: str = "woman"
    language: str = "en-KE"
    rate: float = 1.0
    ssml: bool = False


class Audio(msgspec.Struct, frozen=True, kw_only=True, tag="audio"):
    """A sound file by URL: WAV, MP3 or OGG."""

    url: str


class Tone(msgspec.Struct, frozen=True, kw_only=True, tag="tone"):
    """A tone: all `frequencies` (Hz) at once, on and off in turn for `duration_ms` in all."""

    frequencies: tuple[float, ...]
    duration_ms: int
    on_ms: int = 0  # 0: continuous
    off_ms: int = 0


class Digits(msgspec.Struct, frozen=True, kw_only=True, tag="digits"):
    """DTMF to send: 0-9 * # A-D, `w` waits half a second, `W` a whole one."""

    digits: str


class Silence(msgspec.Struct, frozen=True, kw_only=True, tag="silence"):
    duration_ms: int


Prompt = Say | Audio | Tone | Digits | Silence


class LegGone(Exception):
    """The leg has ended; there is nobody left to play to. `cause` is a hangup cause of `calls.models`."""

    def __init__(self, cause: str) -> None:
        super().__init__(cause)
        self.cause = cause


class PromptUnavailable(Exception):
    """A prompt could not be fetched, decoded or spoken; the message says why, in words for a developer."""


class CollectEnd(StrEnum):
    DIGITS = "digits"  # the wanted number of digits is there
    KEY = "key"  # the finish key was pressed
    TIMEOUT = "timeout"  # no (further) digit in time


class Collected(msgspec.Struct, frozen=True, kw_only=True):
    digits: str  # without the finish key
    end: CollectEnd


class RecordEnd(StrEnum):
    SILENCE = "silence"
    KEY = "key"
    MAX_LENGTH = "max_length"
    STOPPED = "stopped"


class Recorded(msgspec.Struct, frozen=True, kw_only=True):
    recording_id: UUID
    duration_ms: int
    end: RecordEnd
    digit: str = ""  # the key that ended it


class TranscriptionWish(msgspec.Struct, frozen=True, kw_only=True):
    """What was said is to be written down. `language` is BCP 47, None where nobody knows; `callback_url` is absolute."""

    language: str | None = None
    callback_url: str | None = None


class RecordingTold(msgspec.Struct, frozen=True, kw_only=True):
    """Who is told, in Twilio's words, when a recording is ready or has failed; `source` is what made it, in those."""

    url: str
    source: str


class RecordSpec(msgspec.Struct, frozen=True, kw_only=True):
    max_length_s: int = 3600
    silence_timeout_s: int = 5
    finish_on_key: str = "#"  # any of these keys; "" = none
    beep: bool = True
    trim_silence: bool = False
    transcription: TranscriptionWish | None = None
    told: RecordingTold | None = None


class DialRecording(StrEnum):
    """From when on the conversation of two bridged parties is recorded, each on a channel of his own."""

    FROM_ANSWER = "record-from-answer"
    FROM_RINGING = "record-from-ringing"


class DialSpec(msgspec.Struct, frozen=True, kw_only=True):
    """Whom to ring on behalf of a caller, and how. `numbers` are as the flow wrote them, 1 to 10, or one device:
    `client:` and its name, or a SIP address with its scheme.

    They ring together, the first answer winning, or one after the other (`sequential`), each for `timeout_s`.
    `ring_tone` is what an answered caller hears meanwhile, over and over; `whisper` what the called party
    hears alone, before the two are put together; with an `accept_key` he takes the call by pressing it, and one who
    does not is hung up on (`no_answer`). `max_duration_s` counts from the answer.
    """

    numbers: tuple[str, ...]
    ring_tone: tuple[Prompt, ...]
    caller_id: str | None = None
    sequential: bool = False
    timeout_s: int = 30
    max_duration_s: int = 14400
    whisper: tuple[Prompt, ...] = ()
    accept_key: str = ""
    record: DialRecording | None = None
    recording_told: RecordingTold | None = None


class DialStatus(StrEnum):
    COMPLETED = "completed"  # somebody answered, and the conversation is over
    BUSY = "busy"
    NO_ANSWER = "no_answer"
    FAILED = "failed"
    CANCELED = "canceled"


class Dialled(msgspec.Struct, frozen=True, kw_only=True):
    """What became of a dial. `cause` is a hangup cause, or the code of a refusal (`calls.destination_forbidden`).

    The call, its session and its number are those of the leg that answered, else of the most telling one; they
    are missing where nothing was dialled. `warnings` are for the flow's story.
    """

    status: DialStatus
    cause: str
    duration_s: int = 0
    answered_at: datetime | None = None
    call_id: UUID | None = None
    session_id: str = ""
    number: str = ""
    recording_id: UUID | None = None
    warnings: tuple[str, ...] = ()


class Dialler(Protocol):
    """Rings others on behalf of one leg. Each of them is a call of its own, with its record and its price."""

    @property
    def last(self) -> Dialled | None:
        """What became of the newest dial, also of one that the end of the leg cut short; None before the first."""
        ...

    async def dial(self, spec: DialSpec) -> Dialled:
        """Rings, puts the two together, and returns when their conversation is over.

        An unanswered inbound leg is answered when somebody answers, and hears the ringing until then.
        Raises `LegGone` when the leg itself ends; cancelling it hangs up on whoever was rung.
        """
        ...


class Leg(Protocol):
    call_id: UUID

    @property
    def answered(self) -> bool: ...

    async def answer(self) -> None:
        """Answers an inbound leg; does nothing on one that is answered."""
        ...

    async def ring(self) -> None:
        """Tells the caller of an unanswered inbound leg that it is ringing (180)."""
        ...

    async def wait(self, seconds: float) -> None:
        """Lets that much time pass without answering or playing anything; `LegGone` cuts it short."""
        ...

    async def reject(self, *, busy: bool) -> None:
        """Refuses an unanswered inbound leg (486 when busy, else 603) and ends it: raises `LegGone`."""
        ...

    async def hang_up(self) -> None:
        """Ends the leg in good order: raises `LegGone`."""
        ...

    async def play(self, prompts: Sequence[Prompt], *, loop: int = 1) -> None:
        """Plays the prompts in order, `loop` times (1 to 1,000), and returns when the last one has been sent."""
        ...

    async def collect(
        self,
        *,
        max_digits: int,
        finish_on_key: str,
        timeout_s: float,
        prompts: Sequence[Prompt] = (),
    ) -> Collected:
        """Plays `prompts` and gathers digits; the first digit cuts the prompts short (barge-in).

        `max_digits` 0 means any number. `timeout_s` runs from the end of the prompts and again from
        each digit. Digits pressed before this call and not yet consumed by an earlier `collect` count.
        """
        ...

    async def record(self, spec: RecordSpec) -> Recorded:
        """Records what the far end says, after a beep if asked, until silence, a key or the length ends it."""
        ...
