"""What one side of a simulated call does, step by step. Seconds and milliseconds as named."""

import msgspec

from sautikitd.voice.sip.causes import Reason


class Step(msgspec.Struct, frozen=True, tag=True):
    """One step; the next begins when it is over."""


class AwaitAnswer(Step, frozen=True):
    """Until the called side answers; gives up, with CANCEL, after `seconds`."""

    seconds: float = 180.0


class Ring(Step, frozen=True):
    """180."""


class EarlyMedia(Step, frozen=True):
    """183 with SDP: what is said from here on is heard before any answer."""


class Answer(Step, frozen=True):
    """200."""


class Refuse(Step, frozen=True):
    """A final answer, 300 to 699, which ends the call."""

    code: int
    reason: Reason | None = None


class Wait(Step, frozen=True):
    seconds: float


class Say(Step, frozen=True):
    text: str
    language: str = "en-KE"


class Beep(Step, frozen=True):
    """The tone after an announcement, 1 kHz."""

    milliseconds: int = 500


class Press(Step, frozen=True):
    """Keys: 0-9 * # A-D, `w` waits half a second, `W` a whole one."""

    digits: str


class HearPrompt(Step, frozen=True):
    """Until the far end has spoken and fallen silent again, `at_most` seconds."""

    at_most: float = 4.0


class Listen(Step, frozen=True):
    """Lets the far end talk; None: until it hangs up."""

    seconds: float | None = None


class HangUp(Step, frozen=True):
    pass


AnyStep = (
    AwaitAnswer
    | Ring
    | EarlyMedia
    | Answer
    | Refuse
    | Wait
    | Say
    | Beep
    | Press
    | HearPrompt
    | Listen
    | HangUp
)
Steps = tuple[AnyStep, ...]
