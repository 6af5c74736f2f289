import re
from collections.abc import Iterator, Mapping
from typing import Annotated, ClassVar
from urllib.parse import urlsplit

import msgspec

from sautikitd.flow import port
from sautikitd.flow.callbacks.question import Method, Question, SessionState
from sautikitd.flow.port import Dialled, DialRecording, DialSpec, DialStatus
from sautikitd.flow.uploaded import sound_flaws
from sautikitd.flow.verbs.play import CADENCES, PlayVerb, ToneName
from sautikitd.flow.verbs.say import SayVerb
from sautikitd.flow.verbs.verb import (
    Flaw,
    Reference,
    Run,
    Verb,
    reference_flaws,
    shortened,
    told_of_recording,
)
from sautikitd.timestamps import rfc3339

MOST_TOGETHER = 10
_SIP_ADDRESS = re.compile(
    r"(?:sips?:)?[^\s@<>\"]{1,128}@[A-Za-z0-9.\[\]:_-]{1,128}(?:;[^\s<>\"]*)?(?:\?[^\s<>\"]*)?", re.IGNORECASE
)
_CLIENT = re.compile(r"(?:client:)?[A-Za-z0-9][A-Za-z0-9_.-]{0,63}", re.ASCII)

_SIP = ("sip:", "sips:")
_NO_SIP_ADDRESS = "not a SIP address such as sip:asha@sip.example.co.ke"
_NO_CLIENT = "1 to 64 letters, digits, dots, dashes and underscores, a letter or digit first"

LONGEST_NUMBER = 64
Number = Annotated[str, msgspec.Meta(min_length=1, max_length=LONGEST_NUMBER)]
NumberOrDevice = Annotated[str, msgspec.Meta(min_length=1, max_length=256)]


class DialVerb(Verb, frozen=True, kw_only=True, tag="dial"):
    """Rings `number`, or `numbers` together (`sequential`: in turn), a `client` or a `sip` address, and connects whoever
    answers first. Among the `numbers` may be clients (`client:asha`) and SIP addresses (`sip:asha@sip.example.co.ke`).

    `client` is the username of a SIP credential or the identity of a token: all devices registered by it ring. `sip` is
    an address of our own registrar, or of a host that the workspace has had allowed. Devices see the true caller.

    The called party's leg is a call of its own. An unanswered inbound call is answered when the target
    answers, and hears its ringing; with `answerOnBridge: false` it is answered first and hears `ringTone` (the
    URL of a sound; default a ringback tone). `whisper` is played to the called party before the two hear each
    other. With `action` its reply replaces the flow; without, the next verb runs, whatever became of the dial.
    """

    takes_time: ClassVar[bool] = True
    nested_verbs: ClassVar[Mapping[str, frozenset[str]]] = {"whisper": frozenset({"say", "play"})}

    number: Number | None = None
    numbers: (
        Annotated[tuple[NumberOrDevice, ...], msgspec.Meta(min_length=1, max_length=MOST_TOGETHER)] | None
    ) = None
    sip: Annotated[str, msgspec.Meta(min_length=1, max_length=256)] | None = None
    client: Annotated[str, msgspec.Meta(min_length=1, max_length=64)] | None = None
    caller_id: Number | None = None
    timeout: Annotated[int, msgspec.Meta(ge=1, le=600)] = 30
    sequential: bool = False
    answer_on_bridge: bool = True
    record: bool | DialRecording = False
    recording_status_callback: Reference | None = None
    action: Reference | None = None
    method: Method = Method.POST
    max_duration: Annotated[int, msgspec.Meta(ge=1, le=14400)] = 14400
    ring_tone: Reference | None = None
    whisper: tuple[SayVerb | PlayVerb, ...] = ()

    @classmethod
    def passed_over(cls, fields: Mapping[str, object]) -> Iterator[Flaw]:
        tone = fields.get("ringTone")
        if isinstance(tone, str) and not _may_be_reference(tone):
            yield Flaw("ringTone", f"{shortened(tone)!r} is not a URL; the caller hears our own ring tone")

    def flaws(self) -> Iterator[Flaw]:
        given = [name for name in ("number", "numbers", "sip", "client") if getattr(self, name) is not None]
        if len(given) != 1:
            yield Flaw("", f"exactly one of number, numbers, sip and client is wanted; found {len(given)}")
        if self.sip is not None and not _SIP_ADDRESS.fullmatch(self.sip):
            yield Flaw("sip", _NO_SIP_ADDRESS)
        if self.client is not None and not _CLIENT.fullmatch(self.client):
            yield Flaw("client", _NO_CLIENT)
        for index, one in enumerate(self.numbers or ()):
            if (reason := _flaw_among_numbers(one)) is not None:
                yield Flaw(f"numbers/{index}", reason)
        yield from reference_flaws("action", self.action)
        yield from reference_flaws("recordingStatusCallback", self.recording_status_callback)
        yield from sound_flaws("ringTone", self.ring_tone)

    async def execute(self, run: Run) -> None:
        if not self.answer_on_bridge:
            await run.answer()
        dialled = await run.dial(self._spec(run))
        for warning in dialled.warnings:
            run.warn(warning)
        run.tell(status=dialled.status.value, cause=dialled.cause, seconds=str(dialled.duration_s))
        if self.action is not None:
            await run.ask(self._question(self.action, run, dialled))

    def _spec(self, run: Run) -> DialSpec:
        return DialSpec(
            numbers=self._whom,
            caller_id=self.caller_id,
            sequential=self.sequential,
            timeout_s=self.timeout,
            max_duration_s=self.max_duration,
            ring_tone=self._ring_tone(run),
            whisper=tuple(self._whisper(run)),
            record=DialRecording.FROM_ANSWER if self.record is True else self.record or None,
            recording_told=told_of_recording(run, self.recording_status_callback, "DialVerb"),
        )

    @property
    def _whom(self) -> tuple[str, ...]:
        """As `DialSpec` takes them."""
        if self.client is not None:
            return (f"client:{self.client.removeprefix('client:')}",)
        if self.sip is not None:
            return (self.sip if self.sip.lower().startswith(_SIP) else f"sip:{self.sip}",)
        return self.numbers or (self.number or "",)

    def _ring_tone(self, run: Run) -> tuple[port.Prompt, ...]:
        url = run.absolute(self.ring_tone) if self.ring_tone is not None else None
        return (port.Audio(url=url),) if url else (CADENCES[ToneName.RINGBACK],)

    def _whisper(self, run: Run) -> list[port.Prompt]:
        prompts: list[port.Prompt] = []
        for verb in self.whisper:
            once = verb.prompts() if isinstance(verb, SayVerb) else verb.prompts(run)
            prompts += once * max(1, verb.loop)
        return prompts

    def _question(self, action: str, run: Run, dialled: Dialled) -> Question:
        results = {
            "dialStatus": dialled.status.value,
            "dialDuration": str(dialled.duration_s),
            "dialStartTime": rfc3339(dialled.answered_at) if dialled.answered_at else "",
            "dialBridged": "true" if dialled.status is DialStatus.COMPLETED else "false",
            "dialCause": dialled.cause,
            "dialNumber": dialled.number,
            "dialSessionId": dialled.session_id,
            "dialCallId": str(dialled.call_id or ""),
        }
        if dialled.recording_id is not None:
            results["recordingId"] = str(dialled.recording_id)
            results["recordingUrl"] = run.recording_url(dialled.recording_id)
        return Question(url=action, method=self.method, state=SessionState.DIAL_COMPLETED, results=results)

    def told(self) -> str:
        return f"dial {', '.join(self._whom)}"


def _flaw_among_numbers(one: str) -> str | None:
    """Telephone numbers are looked at when they are dialled."""
    if one.lower().startswith("client:"):
        return None if _CLIENT.fullmatch(one) else _NO_CLIENT
    if one.lower().startswith(_SIP):
        return None if _SIP_ADDRESS.fullmatch(one) else _NO_SIP_ADDRESS
    return None if len(one) <= LONGEST_NUMBER else f"a number has at most {LONGEST_NUMBER} characters"


def _may_be_reference(text: str) -> bool:
    """Tells a URL from the country codes of tones that people bring along (`ke`, `us-old`)."""
    try:
        return bool(urlsplit(text).scheme) or "/" in text or "." in text
    except ValueError:
        return False
