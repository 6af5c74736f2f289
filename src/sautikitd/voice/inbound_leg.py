"""A leg that comes in from a trunk."""

import asyncio
from collections.abc import Sequence
from ipaddress import ip_address
from typing import Any, Protocol

import msgspec

from sautikitd.calls.outcomes import CallStatus, HangupBy, HangupCause
from sautikitd.flow.port import LegGone
from sautikitd.voice.leg import LegEnd, MediaLeg
from sautikitd.voice.negotiation import MediaProfile, agreed
from sautikitd.voice.sip import events, sdp
from sautikitd.voice.sip.dialog import DialogKey
from sautikitd.voice.sip.inbound import InboundCall
from sautikitd.voice.sip.sdp_errors import SdpError
from sautikitd.voice.unfinished import stored_unfinished


class AnswerBook(Protocol):
    async def answered(self, leg: "InboundLeg", dialog: dict[str, Any]) -> None:
        """Commits the answer, with what a BYE from another process needs, before anything is played."""
        ...


class InboundLeg(MediaLeg):
    """Made by `VoiceEngine.accept`."""

    called_off = HangupCause.REJECTED  # contract §12: our reject is `failed`/`rejected`

    def attach(self, call: InboundCall, profile: MediaProfile, answers: AnswerBook) -> None:
        self._call = call
        self._profile = profile
        self._answers = answers
        self._agreed: sdp.Sdp | None = None
        self._acknowledged = asyncio.Event()
        self._offered: sdp.Sdp | None = None
        self._spawn(self._watch())

    @property
    def reachable(self) -> bool:
        """Over a connection, from this machine, with a digest, or once his ACK came. A known address over UDP is no proof:
        anybody can write it on his packets."""
        source = self._call.source
        local = ip_address(source.host).is_loopback
        proved = self._call.proved or source.transport.reliable or local
        return proved or self._acknowledged.is_set()

    @property
    def dialog_key(self) -> DialogKey | None:
        return self._call.dialog.state.key if self.answered else None

    @property
    def unfinished(self) -> dict[str, Any] | None:
        return stored_unfinished([], self._call.open_dialogs)

    async def proved_reachable(self) -> None:
        if not self.reachable:
            await self.until_gone(self._acknowledged.wait())

    async def answer(self) -> None:
        """Answers with the first codec of the offer that we speak; 488 when there is none. Raises `LegGone`.

        A caller who made no offer gets ours, and the answer is complete with his ACK, which brings his.
        """
        if not self.answered:
            await self.until_gone(self._answer())

    async def ring(self) -> None:
        if not self.answered and not self.ended:
            self._call.ring(180)

    async def early_media(self) -> None:
        """183 with our description: what is played from here on is heard before any answer. Raises `LegGone`.

        `answer` then gives the same description (RFC 6337 §3.1.1); 488 when there is no common codec.
        """
        if not self.answered:
            await self.until_gone(self._early_media())

    async def hang_up(self) -> None:
        """An unanswered call is refused."""
        if not self.answered and not self.ended:
            await self.reject(busy=False)
        await super().hang_up()

    async def reject(self, *, busy: bool) -> None:
        cause = HangupCause.USER_BUSY if busy else HangupCause.REJECTED
        status = CallStatus.BUSY if busy else CallStatus.FAILED
        code = 486 if busy else 603
        self._call.reject(code)
        self._finish(
            LegEnd(cause=cause, by=HangupBy.PLATFORM, at=self._clock.now(), status=status, sip_code=code)
        )
        raise LegGone(cause)

    def refuse(self, end: LegEnd, *, headers: Sequence[tuple[str, str]] = ()) -> None:
        """Refuses an unanswered call with the SIP code and for the cause that `end` gives."""
        if not self.answered and not self.ended:
            self._call.reject(end.sip_code or 603, headers=headers)
            self._finish(end)

    async def signal_end(self, cause: HangupCause) -> None:
        await self._call.hang_up()

    async def probe(self) -> bool:
        code = await self._call.dialog.probe()
        return code is not None and code not in (408, 481)

    async def _answer(self) -> None:
        ours = await self._agree() if self._call.offer else await self._make_offer()
        state = await self._call.answer(ours.encode())
        if state is None:
            raise LegGone((await self.gone()).cause)
        self.mark_answered(self._clock.now())
        await self._answers.answered(self, {"dialog": msgspec.to_builtins(state)})
        if self._offered is not None:
            await self._acknowledged.wait()
            if self.ended:  # the ACK brought no answer that we could use
                raise LegGone((await self.gone()).cause)

    async def _make_offer(self) -> sdp.Sdp:
        """Our offer, made once, for a caller who made none; where to send is known with his ACK."""
        if self._offered is None:
            local = await self.open_media()
            self._offered = self._profile.offer(local)
        return self._offered

    async def _early_media(self) -> None:
        if self._call.offer:
            self._call.ring(183, (await self._agree()).encode())
        else:  # nobody to send to yet: what is played is heard by no one
            await self._make_offer()

    async def _agree(self) -> sdp.Sdp:
        """Our description, made once: opens the media and sets it to what was agreed."""
        if self._agreed is not None:
            return self._agreed
        local = await self.open_media()
        try:
            offered = sdp.parse(self._call.offer or b"")
            ours = self._profile.answer(local, offered)
            remote = agreed(offered, ours, we_answered=True)
        except SdpError:
            self._call.reject(488)
            self._finish(
                LegEnd(
                    cause=HangupCause.MEDIA_INCOMPATIBLE,
                    by=HangupBy.PLATFORM,
                    at=self._clock.now(),
                    sip_code=488,
                )
            )
            raise LegGone(HangupCause.MEDIA_INCOMPATIBLE) from None
        await self.configure_media(remote)
        self._agreed = ours
        return ours

    async def _watch(self) -> None:
        async for event in self._call:
            await self._on_event(event)
        if not self.ended:
            self._finish(
                LegEnd(cause=HangupCause.NORMAL_CLEARING, by=HangupBy.PLATFORM, at=self._clock.now())
            )

    async def _on_event(self, event: events.Event) -> None:
        now = self._clock.now()
        match event:
            case events.Canceled():
                cause = event.cause
                self._finish(
                    LegEnd(cause=cause, by=HangupBy.CALLER, at=now, status=CallStatus.CANCELED, sip_code=487)
                )
            case events.RemoteBye():
                cause = event.cause
                self._finish(LegEnd(cause=cause, by=HangupBy.CALLER, at=now, sip_code=200))
            case events.Lost():
                self._finish(LegEnd(cause=event.cause, by=HangupBy.CARRIER, at=now))
            case events.Acknowledged():
                await self._on_ack(event.sdp)
            case events.Reinvite() if event.offer and event.answer:
                await self._renegotiate(
                    event.offer, sdp.parse(event.answer), we_answered=not event.we_offered
                )
                self.note_direction(event.direction)
            case events.Info() if event.digit:
                self.take_digit(event.digit)
            case events.Referred():
                self.take_referral(event.referral)

    async def _on_ack(self, answer: bytes | None) -> None:
        if self._offered is not None and not await self._renegotiate(
            answer or b"", self._offered, we_answered=False
        ):
            self.end(HangupCause.MEDIA_INCOMPATIBLE)
        self._acknowledged.set()

    async def _renegotiate(self, theirs: bytes, ours: sdp.Sdp, *, we_answered: bool) -> bool:
        try:
            remote = agreed(sdp.parse(theirs), ours, we_answered=we_answered)
        except SdpError:
            return False
        await self.configure_media(remote)
        return True
