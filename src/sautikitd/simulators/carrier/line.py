"""One simulated call, from its first step to its end."""

import asyncio
from pathlib import Path
from typing import Generic, TypeVar

import structlog

from sautikitd.calls.outcomes import HangupCause
from sautikitd.flow.port import Digits, LegGone, PromptUnavailable, Tone
from sautikitd.flow.port import Say as SayPrompt
from sautikitd.simulators.carrier import steps
from sautikitd.simulators.carrier.ear import Ear
from sautikitd.simulators.carrier.journal import Entry, Journal
from sautikitd.simulators.carrier.steps import AnyStep, Steps
from sautikitd.voice.inbound_leg import InboundLeg
from sautikitd.voice.leg import MediaLeg
from sautikitd.voice.media.client import MediaLost, MediaRefused
from sautikitd.voice.outbound_leg import OutboundLeg
from sautikitd.voice.sip.inbound import InboundCall

log = structlog.get_logger(__name__)
L = TypeVar("L", bound=MediaLeg)

LONGEST_S = 3600.0
_BEEP_HZ = 1000.0
_LAST_WORDS_S = 1.0


class UnfitStep(ValueError):
    """A step that this side of a call cannot take, like refusing a call that it placed itself."""


class Line(Generic[L]):
    """`recording` is the file that the engine's book gives the recording of the whole call; None makes none."""

    def __init__(self, leg: L, entry: Entry, journal: Journal, *, recording: Path | None) -> None:
        self.leg = leg
        self.entry = entry
        self._journal = journal
        self._ear = Ear(leg, entry)
        self._recording = recording

    async def run(self, script: Steps) -> None:
        """Takes every step, unless the call ends before; hangs up after the last, or after an hour. Returns when all is over."""
        beside = [asyncio.ensure_future(self._attend()), asyncio.ensure_future(self._take_digits())]
        try:
            async with asyncio.timeout(LONGEST_S):
                for step in script:
                    self._journal.note(self.entry, _told(step))
                    await self.perform(step)
        except LegGone:
            pass  # `_end` enters how and by whom
        except TimeoutError:
            self._journal.note(self.entry, f"ended after {LONGEST_S:.0f} s")
        except (MediaLost, MediaRefused, PromptUnavailable) as error:
            self._journal.note(self.entry, f"gave up: {error}")
            log.warning("carrier.gave_up", call_id=str(self.entry.call_id), error=str(error))
        finally:
            await self._end(beside)

    async def perform(self, step: AnyStep) -> None:
        """Takes one step. Raises `LegGone` when the call ends meanwhile."""
        leg = self.leg
        match step:
            case steps.Wait():
                await leg.wait(step.seconds)
            case steps.Listen():
                await leg.wait(LONGEST_S if step.seconds is None else step.seconds)
            case steps.HearPrompt():
                await self._hear_prompt(step.at_most)
            case steps.Say():
                await leg.play([SayPrompt(text=step.text, language=step.language)])
            case steps.Beep():
                await leg.play([Tone(frequencies=(_BEEP_HZ,), duration_ms=step.milliseconds)])
            case steps.Press():
                await leg.play([Digits(digits=step.digits)])
            case steps.HangUp():
                await leg.hang_up()
            case _:
                raise UnfitStep(_told(step))

    async def _hear_prompt(self, at_most: float) -> None:
        over = asyncio.ensure_future(self._ear.prompt_over())
        late = asyncio.ensure_future(self.leg.wait(at_most))
        try:
            await asyncio.wait({over, late}, return_when=asyncio.FIRST_COMPLETED)
            if late.done():
                late.result()
        finally:
            for task in (over, late):
                task.cancel()
            await asyncio.gather(over, late, return_exceptions=True)

    async def _attend(self) -> None:
        self.entry.answered_at = await self.leg.answer_time()
        self._journal.note(self.entry, "answered")
        if self._recording:
            self.entry.recording = self._recording
            await self._ear.keep()
        await self._ear.listen()

    async def _take_digits(self) -> None:
        while not self.leg.ended:
            pressed = await self.leg.collect(max_digits=1, finish_on_key="", timeout_s=LONGEST_S)
            if pressed.digits:
                self.entry.digits += pressed.digits
                self._journal.note(self.entry, f"heard key {pressed.digits}")

    async def _end(self, beside: list[asyncio.Task[None]]) -> None:
        if not self.leg.ended:
            self.leg.end(HangupCause.NORMAL_CLEARING)
        end = await self.leg.gone()
        await self.leg.quality()  # the media is closed then, and what was recorded is complete
        if (
            self.leg.answered
        ):  # what was still being heard counts; without an answer there was nothing to hear
            await asyncio.wait(beside, timeout=_LAST_WORDS_S)
        for task in beside:
            task.cancel()
        for outcome in await asyncio.gather(*beside, return_exceptions=True):
            if isinstance(outcome, Exception) and not isinstance(outcome, LegGone):
                log.error("carrier.line_failed", call_id=str(self.entry.call_id), exc_info=outcome)
        self.entry.cause, self.entry.hung_up_by, self.entry.ended_at = end.cause, end.by, end.at
        self.entry.sip_code = self.entry.sip_code or end.sip_code
        self._journal.note(self.entry, f"ended: {end.cause}")
        self._journal.close(self.entry)


class ReceivedLine(Line[InboundLeg]):
    """A call that came to one of the simulated numbers."""

    def __init__(
        self, leg: InboundLeg, sip: InboundCall, entry: Entry, journal: Journal, *, recording: Path | None
    ) -> None:
        super().__init__(leg, entry, journal, recording=recording)
        self._sip = sip

    async def perform(self, step: AnyStep) -> None:
        match step:
            case steps.Ring():
                await self.leg.ring()
            case steps.EarlyMedia():
                await self.leg.early_media()
            case steps.Answer():
                await self.leg.answer()
            case steps.Refuse():
                self.entry.sip_code = step.code
                self._sip.reject(step.code, reasons=[step.reason] if step.reason else ())
                await self.leg.gone()
            case _:
                await super().perform(step)


class PlacedLine(Line[OutboundLeg]):
    """A call of a simulated caller."""

    async def perform(self, step: AnyStep) -> None:
        match step:
            case steps.AwaitAnswer():
                await self.leg.answer_of(step.seconds)
            case _:
                await super().perform(step)


def _told(step: AnyStep) -> str:
    """A step in a word or two, like `Wait 3` or `Say Hello.`"""
    details = [str(getattr(step, name)) for name in step.__struct_fields__ if getattr(step, name) is not None]
    return " ".join([type(step).__name__, *details])
