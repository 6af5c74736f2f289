from collections.abc import Iterator, Mapping
from enum import StrEnum
from typing import Annotated, ClassVar

import msgspec

from sautikitd.flow.callbacks.question import Method, Question, SessionState
from sautikitd.flow.hold_music import HOLD_MUSIC
from sautikitd.flow.port import Audio, Dialled, DialSpec, DialStatus, Prompt, Say
from sautikitd.flow.verbs.play import CADENCES, PlayVerb, ToneName
from sautikitd.flow.verbs.say import SayVerb
from sautikitd.flow.verbs.verb import Flaw, Reference, Run, Verb, reference_flaws, shortened

ACCEPT_KEY = "1"
_ANNOUNCEMENT = Say(text="You have a call. Press 1 to take it.", language="en-KE")


class TransferMode(StrEnum):
    BLIND = "blind"
    ATTENDED = "attended"


class TransferVerb(Verb, frozen=True, kw_only=True, tag="transfer"):
    """Hands the call to `to`: a number, `sip:` and a SIP address, or `client:` and an identity.

    `blind`: the caller hears it ring and is connected to whoever answers; from then on the call is theirs, and ends with
    their conversation. `attended`: the caller waits with music (`holdUrl`: your own) while the target is rung, hears
    `whisper` and takes the call by pressing 1 within ten seconds; a voice mailbox never does. When the target leaves,
    the flow goes on.

    Nobody there, busy, or refused: the caller is still here. `action`, where given, is asked in every case, with
    `transferStatus`, and its reply replaces the flow. Without it the next verb runs, but for a blind transfer that
    succeeded: that ends the call.
    """

    takes_time: ClassVar[bool] = True
    nested_verbs: ClassVar[Mapping[str, frozenset[str]]] = {"whisper": frozenset({"say", "play"})}

    to: Annotated[str, msgspec.Meta(min_length=1, max_length=256)]
    mode: TransferMode = TransferMode.BLIND
    caller_id: Annotated[str, msgspec.Meta(min_length=1, max_length=64)] | None = None
    timeout: Annotated[int, msgspec.Meta(ge=1, le=600)] = 30
    hold_url: Reference | None = None
    whisper: tuple[SayVerb | PlayVerb, ...] = ()
    action: Reference | None = None
    method: Method = Method.POST

    def flaws(self) -> Iterator[Flaw]:
        yield from reference_flaws("action", self.action)
        yield from reference_flaws("holdUrl", self.hold_url)
        if self.mode is TransferMode.BLIND and self.hold_url is not None:
            yield Flaw("holdUrl", "is for an attended transfer; in a blind one the caller hears the ringing")

    async def execute(self, run: Run) -> None:
        if self._attended:
            await run.answer()
        dialled = await run.dial(self._spec(run))
        for warning in dialled.warnings:
            run.warn(warning)
        run.tell(status=dialled.status.value, cause=dialled.cause, seconds=str(dialled.duration_s))
        if self.action is not None:
            await run.ask(self._question(self.action, dialled))
        elif dialled.status is DialStatus.COMPLETED and not self._attended:
            await run.leg.hang_up()

    @property
    def _attended(self) -> bool:
        return self.mode is TransferMode.ATTENDED

    def _spec(self, run: Run) -> DialSpec:
        whisper = self._whisper(run)
        return DialSpec(
            numbers=(self.to,),
            caller_id=self.caller_id,
            timeout_s=self.timeout,
            ring_tone=self._sound(run),
            whisper=tuple(whisper) or ((_ANNOUNCEMENT,) if self._attended else ()),
            accept_key=ACCEPT_KEY if self._attended else "",
        )

    def _sound(self, run: Run) -> tuple[Prompt, ...]:
        if not self._attended:
            return (CADENCES[ToneName.RINGBACK],)
        url = run.absolute(self.hold_url) if self.hold_url is not None else None
        return (Audio(url=url),) if url else HOLD_MUSIC

    def _whisper(self, run: Run) -> list[Prompt]:
        prompts: list[Prompt] = []
        for verb in self.whisper:
            once = verb.prompts() if isinstance(verb, SayVerb) else verb.prompts(run)
            prompts += once * max(1, verb.loop)
        return prompts

    def _question(self, action: str, dialled: Dialled) -> Question:
        results = {
            "transferStatus": dialled.status.value,
            "transferMode": self.mode.value,
            "transferTo": dialled.number or self.to,
            "transferDuration": str(dialled.duration_s),
            "transferCause": dialled.cause,
            "transferCallId": str(dialled.call_id or ""),
            "transferSessionId": dialled.session_id,
        }
        return Question(
            url=action, method=self.method, state=SessionState.TRANSFER_COMPLETED, results=results
        )

    def told(self) -> str:
        return f"transfer ({self.mode.value}) to {shortened(self.to)}"
