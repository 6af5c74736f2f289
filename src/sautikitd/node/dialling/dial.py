"""One dial: others rung for a caller, the first answer put together with him, and everybody's call ended properly."""

import asyncio
from collections.abc import Sequence
from contextlib import suppress
from uuid import UUID

import structlog

from sautikitd.calls.adding import LegWish
from sautikitd.calls.addresses import is_device_address
from sautikitd.calls.models import CallRecord
from sautikitd.calls.outcomes import CallStatus, HangupBy, HangupCause
from sautikitd.database.pool import DatabaseUnavailable
from sautikitd.errors import Refusal
from sautikitd.flow.port import (
    Dialled,
    DialRecording,
    DialSpec,
    DialStatus,
    LegGone,
    Prompt,
    PromptUnavailable,
)
from sautikitd.ids import uuid7
from sautikitd.node.dialling.callees import Callee
from sautikitd.node.dialling.legs import most_telling
from sautikitd.node.dialling.means import Dialling
from sautikitd.node.dialling.party import Party
from sautikitd.node.dialling.ring_tone import RingTone
from sautikitd.node.dialling.rung import LegCall, Rung
from sautikitd.node.dialling.talk import Taken, Talk
from sautikitd.node.money import MoneyWatch
from sautikitd.voice.bridge import Bridge
from sautikitd.voice.leg import MediaLeg
from sautikitd.voice.media.client import MediaLost, MediaRefused
from sautikitd.voice.outbound_leg import OutboundLeg

log = structlog.get_logger(__name__)

ACCEPT_S = 10.0
"""How long the called party may think about a call that he must accept, once he has heard what it is."""

_STATUSES = {
    CallStatus.COMPLETED: DialStatus.COMPLETED,
    CallStatus.BUSY: DialStatus.BUSY,
    CallStatus.NO_ANSWER: DialStatus.NO_ANSWER,
    CallStatus.CANCELED: DialStatus.CANCELED,
}


class CallDialler:
    """The `Dialler` of one call's flow: `call` is what its legs are children of, `leg` who waits for them."""

    def __init__(self, dialling: Dialling, call: CallRecord, leg: MediaLeg) -> None:
        self._dialling = dialling
        self._call = call
        self._leg = leg
        self._newest: Dial | None = None

    @property
    def last(self) -> Dialled | None:
        return self._newest.became if self._newest is not None else None

    async def dial(self, spec: DialSpec) -> Dialled:
        self._newest = dial = Dial(self._dialling, self._call, self._leg, spec)
        return await self._leg.until_gone(dial.run())


class Dial:
    """Runs once. Cancelled, because the caller is gone or his flow was replaced, it ends what it began."""

    def __init__(
        self,
        dialling: Dialling,
        call: CallRecord,
        near: MediaLeg,
        spec: DialSpec,
        *,
        on_taken: Taken | None = None,
        for_leg: UUID | None = None,
    ) -> None:
        self._on_taken = on_taken
        self._for_leg = for_leg
        self._dialling = dialling
        self._call = call
        self._near = near
        self._spec = spec
        self._legs = dialling.legs_for(call)
        self._tone = RingTone(near, spec.ring_tone)
        self._beginning: list[asyncio.Task[Rung | None]] = []
        self._waiting: list[asyncio.Task[None]] = []
        self._rung: list[Rung] = []
        self._ended: list[CallRecord | None] = []
        self._refusals: list[Refusal] = []
        self._deciding = asyncio.Lock()
        self._winner: Rung | None = None
        self._party: Party | None = None
        self._recording_id: UUID | None = None
        self._warnings: list[str] = []

    async def run(self) -> Dialled:
        """Raises `LegGone` when the caller's leg ends."""
        try:
            await self._prove_caller()
            self._tone.start()
            if self._spec.record is DialRecording.FROM_RINGING and self._near.answered:
                await self._record()
            for numbers in self._rounds():
                if winner := await self._ring(numbers):
                    return await self._talk(winner)
            return self._unanswered()
        finally:
            await asyncio.shield(self._dialling.see_through(self._close_all()))

    def _rounds(self) -> list[tuple[str, ...]]:
        numbers = self._spec.numbers
        return [(number,) for number in numbers] if self._spec.sequential else [numbers]

    async def _prove_caller(self) -> None:
        """Nobody rings others at a customer's cost from a sender address that may be made up (contract §12)."""
        if not self._near.reachable:
            await self._near.answer()
            await self._near.proved_reachable()

    # Ringing

    async def _ring(self, numbers: Sequence[str]) -> Rung | None:
        """Rings these together; whoever answered first, while the others are being called off."""
        wanted = [pair for number in numbers for pair in await self._meant_by(number)]
        rung = [one for number, callee in wanted if (one := await self._begun(number, callee))]
        alone = len(rung) == 1
        pending = {asyncio.ensure_future(self._wait_for(one, alone=alone)) for one in rung}
        self._waiting += pending
        while pending and self._winner is None:
            done, pending = await asyncio.wait(pending, return_when=asyncio.FIRST_COMPLETED)
            for task in done:
                task.result()
        return self._winner

    async def _meant_by(self, number: str) -> list[tuple[str, Callee | None]]:
        """The legs to ring for what the flow wrote: every device that is registered by a name."""
        if not is_device_address(number):
            return [(number, None)]
        try:
            return [(number, callee) for callee in await self._dialling.callees.of(self._call, number)]
        except Refusal as refusal:
            self._refusals.append(refusal)
        except DatabaseUnavailable as exc:
            self._not_dialled(exc)
        return []

    def _not_dialled(self, exc: Exception) -> None:
        log.warning("node.not_dialled", call_id=str(self._call.id), error=repr(exc))
        self._warnings.append("the database was away; nobody was dialled")

    async def _begun(self, number: str, callee: Callee | None) -> Rung | None:
        """Runs to its end whatever happens to us: a leg that is in the books is sent out, and then ended."""
        task = self._dialling.see_through(self._begin(number, callee))
        self._beginning.append(task)
        return await asyncio.shield(task)

    async def _begin(self, number: str, callee: Callee | None) -> Rung | None:
        wish = LegWish(
            leg_id=uuid7(),
            to=number,
            timeout_s=self._spec.timeout_s,
            max_duration_s=self._spec.max_duration_s,
            caller_id=self._spec.caller_id,
            forwarded=is_forward(self._call),
            for_leg=self._for_leg,
        )
        try:
            record = await self._dialling.add(self._call, wish, callee)
        except Refusal as refusal:
            self._refusals.append(refusal)
            return None
        except DatabaseUnavailable as exc:
            self._not_dialled(exc)
            return None
        if record.status is not CallStatus.RINGING:
            self._ended.append(record)
            return None
        try:
            leg = await self._legs.dial(record, beside=self._near)
        except Exception:
            await self._dialling.abandon(record.id)  # whatever went wrong, it does not ring for ever
            raise
        if leg is None:
            return None
        rung = Rung(record, leg)
        self._rung.append(rung)
        self._dialling.running[record.id] = LegCall(leg)
        return rung

    async def _wait_for(self, rung: Rung, *, alone: bool) -> None:
        passing = asyncio.ensure_future(self._pass_on(rung.leg, alone=alone))
        try:
            dialog = await rung.leg.answer_of(self._spec.timeout_s)
            async with self._deciding:
                if self._winner is not None:
                    rung.leg.end(HangupCause.LOST_RACE)
                elif await self._legs.answered(rung.record, rung.leg, dialog):
                    self._winner = rung
                    self._legs.call_off(rung.leg)
                    return
        except LegGone as gone:
            log.debug("node.unanswered", call_id=str(rung.record.id), cause=gone.cause)
        finally:
            passing.cancel()
            await asyncio.gather(passing, return_exceptions=True)
        await self._close(rung)

    async def _pass_on(self, called: OutboundLeg, *, alone: bool) -> None:
        """The ringing to an unanswered caller, and what the network says before the answer to anybody; of several
        that are rung together nobody is heard."""
        await self._tone.pass_on(called)
        if alone:
            await called.early_audio.wait()
            await self._near.early_media()
            await self._tone.stop()
            await Bridge(self._near, called).listen()

    # Talking

    async def _talk(self, winner: Rung) -> Dialled:
        far, books, clock = winner.leg, self._dialling.books, self._dialling.clock
        assert far.answered_at is not None
        watch = MoneyWatch(winner.record, far, far.answered_at, books, clock)
        winner.watch = asyncio.ensure_future(watch.run())
        taken, became = not self._spec.accept_key, None
        try:
            if taken := await self._takes_the_call(far):
                await self._tone.stop()
                await self._near.answer()
                became = await self._converse(winner)
        except LegGone:
            if self._near.ended:
                raise
        finally:
            await self._stop_recording()
        if isinstance(became, Dialled):
            return became
        ended = became or await self._close(winner)
        return self._outcome(ended or winner.record, DialStatus.COMPLETED if taken else DialStatus.NO_ANSWER)

    async def _converse(self, winner: Rung) -> Dialled | CallRecord | None:
        """Until the caller is through with it: what became of him when he was handed on, else the leg as it ended."""
        near = self._party = Party(self._near, self._call, call_id=self._for_leg)
        far = Party.dialled(winner, self._call, self._close)
        talk = Talk(self._dialling, near, far, self._dial_on, on_begun=self._begin_talk)
        self._dialling.see_through(talk.run())
        became = await asyncio.shield(near.over)
        self._warnings += talk.warnings
        return became

    async def _begin_talk(self) -> None:
        if self._spec.record is not None:
            await self._record()
        if self._on_taken:
            await self._on_taken()

    async def _dial_on(self, party: Party, target: str, taken: Taken) -> Dialled:
        """Rings whom a party of the conversation is handed on to."""
        spec = DialSpec(
            numbers=(target,),
            ring_tone=self._spec.ring_tone,
            caller_id=self._spec.caller_id,
            max_duration_s=self._spec.max_duration_s,
        )
        dial = Dial(self._dialling, party.call, party.leg, spec, on_taken=taken, for_leg=party.call_id)
        return await party.leg.until_gone(dial.run())

    async def _takes_the_call(self, far: OutboundLeg) -> bool:
        """What is whispered to the called party, and whether he wants the call."""
        if not self._spec.accept_key:
            await self._whisper(far)
            return True
        key = await self._key_of(far, self._spec.whisper)
        return key == self._spec.accept_key

    async def _key_of(self, far: OutboundLeg, prompts: Sequence[Prompt]) -> str:
        try:
            pressed = await far.collect(max_digits=1, finish_on_key="", timeout_s=ACCEPT_S, prompts=prompts)
        except PromptUnavailable as error:
            self._warnings.append(f"nothing was whispered: {error}")
            pressed = await far.collect(max_digits=1, finish_on_key="", timeout_s=ACCEPT_S)
        return pressed.digits

    async def _whisper(self, far: OutboundLeg) -> None:
        if self._spec.whisper:
            try:
                await far.play(self._spec.whisper)
            except PromptUnavailable as error:
                self._warnings.append(f"nothing was whispered: {error}")

    async def _record(self) -> None:
        """Both parties, each on a channel; as the call's own recording, from the caller's leg."""
        if self._recording_id is None:
            with suppress(MediaRefused, *DatabaseUnavailable):  # talking goes before recording
                self._recording_id = await self._near.recordings.start(
                    channels=2,
                    max_length_s=self._call.max_duration_seconds,
                    told=self._spec.recording_told,
                )

    async def _stop_recording(self) -> None:
        if self._recording_id is not None and not self._near.ended:
            with suppress(MediaRefused, MediaLost):  # it has ended by itself
                await self._near.recordings.stop(str(self._recording_id))

    # The end

    async def _close_all(self) -> None:
        await self._tone.stop()
        await asyncio.gather(*self._beginning, return_exceptions=True)
        for task in self._waiting:
            task.cancel()
        await asyncio.gather(*self._waiting, return_exceptions=True)
        await self._stop_recording()
        if self._party is not None:
            self._party.withdraw()
            await self._party.over
        await asyncio.gather(*(self._close(rung) for rung in self._rung if not rung.talking))

    async def _close(self, rung: Rung, by: HangupBy | None = None) -> CallRecord | None:
        if rung.closing is None:
            rung.closing = self._dialling.see_through(self._end(rung, by))
        return await asyncio.shield(rung.closing)

    async def _end(self, rung: Rung, by: HangupBy | None) -> CallRecord | None:
        if rung.watch is not None:
            rung.watch.cancel()
            await asyncio.gather(rung.watch, return_exceptions=True)
        try:
            ended = await self._legs.close(rung.record, rung.leg, by or await self._who_ended())
        finally:
            self._dialling.running.pop(rung.record.id, None)
        self._ended.append(ended)
        return ended

    async def _who_ended(self) -> HangupBy:
        """Of a dialled leg the party on the near side is the caller, whoever called whom there."""
        near_hung_up = self._near.ended and (await self._near.gone()).by is not HangupBy.PLATFORM
        return HangupBy.CALLER if near_hung_up else HangupBy.PLATFORM

    @property
    def became(self) -> Dialled:
        """What has become of it so far, also where the caller's end has cut it short."""
        if (winner := self._winner) is None:
            return self._unanswered()
        ended = next((one for one in self._ended if one and one.id == winner.record.id), winner.record)
        return self._outcome(ended, DialStatus.COMPLETED if self._party else DialStatus.NO_ANSWER)

    def _unanswered(self) -> Dialled:
        if telling := most_telling(self._ended):
            return self._outcome(telling, _STATUSES.get(telling.status, DialStatus.FAILED))
        cause = self._refusals[0].code if self._refusals else HangupCause.NETWORK_ERROR.value
        return Dialled(status=DialStatus.FAILED, cause=cause, warnings=self._told())

    def _outcome(self, leg: CallRecord, status: DialStatus) -> Dialled:
        return Dialled(
            status=status,
            cause=leg.failure_code or leg.hangup_cause or HangupCause.NORMAL_CLEARING,
            duration_s=leg.billed_seconds or 0,
            answered_at=leg.answered_at,
            call_id=leg.id,
            session_id=leg.session_id,
            number=leg.to_address,
            recording_id=self._recording_id,
            warnings=self._told(),
        )

    def _told(self) -> tuple[str, ...]:
        missing = [self._tone.missing] if self._tone.missing else []
        return (*self._warnings, *missing, *(refusal.text for refusal in self._refusals))


def is_forward(call: CallRecord) -> bool:
    """Whether all that the call does is to be forwarded (contract §5, at its end)."""
    return bool(call.forward_to) and not call.voice_callback_url and call.actions is None
