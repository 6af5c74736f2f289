"""A leg that we dial."""

import asyncio
from collections.abc import Callable, Sequence
from datetime import datetime
from typing import Any

import msgspec

from sautikitd.calls.outcomes import CallStatus, HangupBy, HangupCause
from sautikitd.flow.port import LegGone
from sautikitd.voice import negotiation
from sautikitd.voice.leg import LegEnd, MediaLeg
from sautikitd.voice.media.protocol import RemoteMedia
from sautikitd.voice.rerouting import Detour, Sent
from sautikitd.voice.sip import events, sdp
from sautikitd.voice.sip.causes import Reason, outcome_of
from sautikitd.voice.sip.dialog import DialogKey, DialogState
from sautikitd.voice.sip.outbound import OutboundCall
from sautikitd.voice.sip.sdp_errors import SdpError
from sautikitd.voice.unfinished import stored_unfinished

_CALLEE_CAUSES = {
    *(HangupCause.USER_BUSY, HangupCause.CALL_REJECTED, HangupCause.NO_ANSWER, HangupCause.UNWANTED),
}


class OutboundLeg(MediaLeg):
    """Made by `VoiceEngine.dial`. `on_alert` is told once, of the first 180 or 183.

    `alerted` is set with it; `early_audio` once there is something to hear before the answer. `left_behind` are the
    INVITEs at trunks that said nothing, as stored: one may be seen yet.
    """

    left_behind: Sequence[Any] = ()

    def attach(self, sent: Sent, on_alert: Callable[[datetime], None], detour: Detour) -> None:
        self._call, self._offer = sent
        self._calls = [self._call]
        self._detour = detour
        self._on_alert: Callable[[datetime], None] | None = on_alert
        self.alerted = asyncio.Event()
        self.early_audio = asyncio.Event()
        self._answer: asyncio.Future[DialogState] = asyncio.get_running_loop().create_future()
        self._spawn(self._watch())

    async def answer_of(self, timeout_s: float) -> dict[str, Any]:
        """Waits for the answer and gives the dialog, for a BYE from another process. Raises `LegGone`.

        Nobody answering in time ends the leg as `no_answer`.
        """
        try:
            async with asyncio.timeout(timeout_s):
                state = await self.until_gone(asyncio.shield(self._answer))
        except TimeoutError:
            end = LegEnd(
                cause=HangupCause.NO_ANSWER,
                by=HangupBy.PLATFORM,
                at=self._clock.now(),
                status=CallStatus.NO_ANSWER,
            )
            self._finish(end, tell=True)
            raise LegGone(HangupCause.NO_ANSWER) from None
        plain: dict[str, Any] = msgspec.to_builtins(state)
        return {"dialog": plain, "left": self.left_behind} if self.left_behind else {"dialog": plain}

    @property
    def dialog_key(self) -> DialogKey | None:
        return self._call.dialog.state.key if self._call.dialog else None

    @property
    def unfinished(self) -> dict[str, Any] | None:
        calls = self._calls
        return stored_unfinished(
            [invite for call in calls for invite in call.open_invites],
            [dialog for call in calls for dialog in call.open_dialogs],
        )

    # The port, as far as it is different for a leg that was dialled.

    async def answer(self) -> None:
        """Nothing to do: the far end answers."""

    async def ring(self) -> None:
        """Nothing to do: the far end rings."""

    async def reject(self, *, busy: bool) -> None:
        await self.hang_up()

    async def signal_end(self, cause: HangupCause) -> None:
        reason = Reason("SIP", 200, "Call completed elsewhere") if cause is HangupCause.LOST_RACE else None
        await self._call.hang_up(reason)

    async def probe(self) -> bool:
        code = await self._call.dialog.probe() if self._call.dialog else None
        return code is not None and code not in (408, 481)

    async def _watch(self) -> None:
        while (sent := await self._follow(self._call)) is not None:
            self._call, self._offer = sent
            self._calls.append(self._call)
            if self.ended:  # while the INVITE was on its way out
                await self._call.cancel()
        if not self.ended:  # the stream ended without a word: it was our own hang-up
            self._finish(
                LegEnd(cause=HangupCause.NORMAL_CLEARING, by=HangupBy.PLATFORM, at=self._clock.now())
            )

    async def _follow(self, call: OutboundCall) -> Sent | None:
        """Until the call is over, or goes on by another way: then that."""
        async for event in call:
            if not (self.alerted.is_set() or self.ended) and (sent := await self._detour(event)) is not None:
                await call.cancel()  # a trunk that was only silent may speak yet
                return sent
            await self._on_event(event)
        return None

    async def _on_event(self, event: events.Event) -> None:
        match event:
            case events.Progress():
                await self._on_progress(event)
            case events.Answered():
                await self._on_answer(event)
            case events.Failed():
                self._finish(self._failure(event))
            case events.RemoteBye():
                self._finish(
                    LegEnd(
                        cause=event.cause,
                        by=HangupBy.CALLEE,
                        at=self._clock.now(),
                        sip_code=200,
                    )
                )
            case events.Lost():
                self._finish(LegEnd(cause=event.cause, by=HangupBy.CARRIER, at=self._clock.now()))
            case events.Reinvite() if event.offer and event.answer:
                await self._negotiate(event.offer, sdp.parse(event.answer), we_answered=not event.we_offered)
                self.note_direction(event.direction)
            case events.Info() if event.digit:
                self.take_digit(event.digit)
            case events.Referred():
                self.take_referral(event.referral)

    async def _on_progress(self, event: events.Progress) -> None:
        if event.sdp and await self._negotiate(event.sdp, self._offer, we_answered=False):
            self.early_audio.set()
        if self._on_alert and event.code in (180, 183):
            self.alerted.set()
            self._on_alert(self._clock.now())
            self._on_alert = None

    async def _on_answer(self, event: events.Answered) -> None:
        at = self._clock.now()
        if not event.sdp or not await self._negotiate(event.sdp, self._offer, we_answered=False):
            self.end(HangupCause.MEDIA_INCOMPATIBLE)
            return
        self.mark_answered(at)
        if not self._answer.done():
            self._answer.set_result(event.dialog)

    async def _negotiate(self, theirs: bytes, ours: sdp.Sdp, *, we_answered: bool) -> bool:
        try:
            remote: RemoteMedia = negotiation.agreed(sdp.parse(theirs), ours, we_answered=we_answered)
        except SdpError:
            return False
        await self.configure_media(remote)
        return True

    def _failure(self, failed: events.Failed) -> LegEnd:
        outcome = outcome_of(failed.cause)
        status = outcome if outcome is not CallStatus.COMPLETED else CallStatus.FAILED
        cause = failed.cause
        by = HangupBy.CALLEE if cause in _CALLEE_CAUSES else HangupBy.CARRIER
        code = None if failed.local else failed.code
        return LegEnd(cause=cause, by=by, at=self._clock.now(), status=status, sip_code=code)
