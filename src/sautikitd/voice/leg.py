"""One leg of a call: its SIP dialog and its media, seen as the port of `flow/` wants it."""

import asyncio
from abc import ABC, abstractmethod
from collections.abc import Awaitable, Callable, Collection, Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime
from typing import Any, ClassVar, TypeVar
from uuid import UUID

import structlog

from sautikitd.calls.outcomes import CallStatus, HangupBy, HangupCause
from sautikitd.clock import Clock
from sautikitd.flow.port import (
    Collected,
    LegGone,
    Prompt,
    Recorded,
    RecordSpec,
)
from sautikitd.voice.answering import LegAnswering
from sautikitd.voice.collecting import DigitBuffer, collect
from sautikitd.voice.media import protocol
from sautikitd.voice.media.client import MediaClient, MediaLost, MediaRefused
from sautikitd.voice.partner import WARNING, Partner
from sautikitd.voice.prompts import PromptRenderer
from sautikitd.voice.recording import LegRecordings
from sautikitd.voice.recording_book import RecordingBook
from sautikitd.voice.sip.causes import outcome_of
from sautikitd.voice.sip.dialog import DialogKey
from sautikitd.voice.sip.referral import Referral
from sautikitd.voice.sip.sdp import Direction

log = structlog.get_logger(__name__)
T = TypeVar("T")


@dataclass(frozen=True, kw_only=True)
class LegEnd:
    """How a leg ended. `status` is what it means for a call that was never answered."""

    cause: HangupCause
    by: HangupBy
    at: datetime
    status: CallStatus = CallStatus.FAILED
    sip_code: int | None = None


class MediaLeg(ABC):
    """The half of a leg that both directions share: media, digits, recording, and the end.

    Subclasses speak SIP: `_signal_end` tells the far end, `answer` and `reject` are theirs.
    `called_off` is the cause of an end from our side before any answer.
    """

    called_off: ClassVar = HangupCause.CANCELED

    def __init__(
        self,
        call_id: UUID,
        *,
        media: MediaClient,
        prompts: PromptRenderer,
        book: RecordingBook,
        clock: Clock,
        spawn: Callable[[Awaitable[None]], None],
    ) -> None:
        self.call_id = call_id
        self.answered_at: datetime | None = None
        self._media = media
        self._prompts = prompts
        self._clock = clock
        self._spawn = spawn
        self._leg_id = str(call_id)
        self._gone: asyncio.Future[LegEnd] = asyncio.get_running_loop().create_future()
        self._plays: dict[str, asyncio.Future[bool]] = {}
        self._play_number = 0
        self._digits = DigitBuffer()
        self._listeners: list[Callable[[str], None]] = []
        self._answered = asyncio.Event()
        self.recordings = LegRecordings(call_id, self._leg_id, media, book)
        self.answering = LegAnswering(self._leg_id, media)
        self._digits_to: Partner | None = None
        self.room: str | None = None
        self.moved = asyncio.Event()
        self.held = False
        """Whether the far end has put the call on hold."""
        self._hold_watcher: Callable[[], None] | None = None
        self._referral_taker: Callable[[Referral], None] | None = None
        self._in_band = False
        self._local: protocol.LocalMedia | None = None
        self._stats: asyncio.Task[protocol.LegStats | None] | None = None

    @property
    def answered(self) -> bool:
        return self.answered_at is not None

    @property
    def ended(self) -> bool:
        return self._gone.done()

    async def answer_time(self) -> datetime:
        """Waits for the answer and says when it was."""
        await self._answered.wait()
        assert self.answered_at is not None
        return self.answered_at

    async def warn(self) -> None:
        """A short tone, unless something plays: the call is about to end for want of money."""
        if not self._plays:
            await self._media.play(self._leg_id, "warning", [WARNING])

    async def gone(self) -> LegEnd:
        """Waits for the end."""
        return await asyncio.shield(self._gone)

    # The port: what does not depend on who called whom.

    async def wait(self, seconds: float) -> None:
        await self.until_gone(self._clock.sleep(seconds))

    async def hang_up(self) -> None:
        self.end(HangupCause.NORMAL_CLEARING)
        raise LegGone(HangupCause.NORMAL_CLEARING)

    async def play(self, prompts: Sequence[Prompt], *, loop: int = 1) -> None:
        await self.until_gone(self._play(prompts, loop))

    async def collect(
        self, *, max_digits: int, finish_on_key: str, timeout_s: float, prompts: Sequence[Prompt] = ()
    ) -> Collected:
        return await self.until_gone(
            collect(
                self._digits,
                self._clock,
                max_digits=max_digits,
                finish_on_key=finish_on_key,
                timeout_s=timeout_s,
                play=(lambda: self._play(prompts, 1)) if prompts else None,
            )
        )

    async def record(self, spec: RecordSpec) -> Recorded:
        return await self.until_gone(self._record(spec))

    # What the node asks besides.

    @property
    def media_id(self) -> str:
        """Its name in the media process, by which others of a room are told to be heard by it (`heard_by`)."""
        return self._leg_id

    @property
    def prompts(self) -> PromptRenderer:
        return self._prompts

    @property
    def media(self) -> MediaClient:
        """The media process it is on: legs that are to hear each other must be on the same."""
        return self._media

    @property
    def reachable(self) -> bool:
        """Whether the far end is surely where its packets say it is (contract §12, Destinations)."""
        return True

    async def proved_reachable(self) -> None:
        """Waits until it is `reachable`. Raises `LegGone`."""
        await self.until_gone(asyncio.sleep(0))

    async def early_media(self) -> None:
        """Lets an unanswered caller hear us; nothing to do on any other leg. Raises `LegGone`."""
        await self.until_gone(asyncio.sleep(0))

    async def join(
        self,
        room: str,
        *,
        muted: bool = False,
        deaf: bool = False,
        heard_by: Collection[str] | None = None,
        overhears: Collection[str] = (),
    ) -> None:
        """Into a room of the media process, or to another seat in it: see `MediaClient.join`.

        Raises `MediaRefused`, `MediaLost`.
        """
        await self._media.join(
            room, self._leg_id, muted=muted, deaf=deaf, heard_by=heard_by, overhears=overhears
        )
        self._note_room(room)

    async def leave(self) -> None:
        """Out of its room. Raises `MediaRefused`, `MediaLost`."""
        await self._media.leave(self._leg_id)
        self._note_room(None)

    @property
    def partner(self) -> Partner | None:
        """The other party of its bridge."""
        return self._digits_to

    @property
    def in_band(self) -> bool:
        """Whether its far end knows keys as tones only."""
        return self._in_band

    def on_referral(self, taker: Callable[[Referral], None]) -> Callable[[], None]:
        """Has `taker` asked whenever the far end wants the call handed to somebody else; what it returns ends that.
        Without one he is declined."""
        self._referral_taker = taker

        def stop() -> None:
            if self._referral_taker is taker:  # it may have passed to another conversation
                self._referral_taker = None

        return stop

    def take_referral(self, referral: Referral) -> None:
        if self._referral_taker is None or not self.answered:
            referral.refuse()
        else:
            self._referral_taker(referral)

    def watch_hold(self, watcher: Callable[[], None] | None) -> None:
        """Has `watcher` told whenever `held` has changed; None ends it."""
        self._hold_watcher = watcher

    def note_direction(self, direction: Direction | None) -> None:
        """What a re-INVITE says of the far end's media: sendonly and inactive are hold."""
        held = direction in (Direction.SENDONLY, Direction.INACTIVE)
        if direction is not None and held != self.held:
            self.held = held
            if self._hold_watcher is not None:
                self._hold_watcher()

    def _note_room(self, room: str | None) -> None:
        if room != self.room:
            self.room = room
            self.moved.set()

    def hear_digits(self, listener: Callable[[str], None]) -> Callable[[], None]:
        """Tells `listener` of each key besides; what it returns ends that."""
        self._listeners.append(listener)
        return lambda: self._listeners.remove(listener)

    def forget_digits(self) -> None:
        """Drops the keys that no `collect` has taken yet."""
        self._digits.clear()

    def send_digits_to(self, other: Partner | None) -> None:
        """From now on keys pressed here go to the other party instead of to the flow; None: to the flow."""
        self._digits_to = other

    def end(
        self, cause: HangupCause, *, by: HangupBy = HangupBy.PLATFORM, at: datetime | None = None
    ) -> None:
        """Ends the leg from our side: BYE, CANCEL or a refusal goes out, and whoever waits gets `LegGone`."""
        if not self.answered and cause is HangupCause.NORMAL_CLEARING:
            cause = self.called_off  # there was nothing to clear yet
        unanswered = not self.answered or cause is HangupCause.LOST_RACE  # its answer does not count
        status = outcome_of(cause) if unanswered else CallStatus.FAILED
        if status is CallStatus.COMPLETED:  # no cause of ours completes what was not answered
            status = CallStatus.CANCELED
        self._finish(LegEnd(cause=cause, by=by, at=at or self._clock.now(), status=status), tell=True)

    async def quality(self) -> dict[str, Any] | None:
        """MOS, jitter, loss and codec of an ended leg that had media."""
        stats = await self._stats if self._stats else None
        if stats is None or stats.packets_received == 0:
            return None
        return {
            "mos": round(stats.mos, 2),
            "jitter_ms": round(stats.jitter_ms, 1),
            "loss_percent": round(stats.loss_percent, 2),
            "codec": stats.codec,
        }

    async def until_gone(self, work: Awaitable[T]) -> T:
        """Does `work`, cut short by the end of the leg, which raises `LegGone`."""
        task = asyncio.ensure_future(work)
        try:
            if not self._gone.done():
                either: set[asyncio.Future[Any]] = {task, self._gone}
                await asyncio.wait(either, return_when=asyncio.FIRST_COMPLETED)
            if task.done():
                return task.result()
            raise LegGone(self._gone.result().cause)
        except MediaLost:
            raise LegGone((await self.gone()).cause) from None
        finally:
            if not task.done():
                task.cancel()
                await asyncio.gather(task, return_exceptions=True)

    def media_lost(self) -> None:
        """The media process died, and the sound of this leg with it."""
        self.end(HangupCause.MEDIA_LOST)

    # For subclasses.

    async def open_media(self) -> protocol.LocalMedia:
        self._local = await self._media.open_leg(self._leg_id, self._on_media_event)
        return self._local

    def mark_answered(self, at: datetime) -> None:
        """The answer is known to both sides; whoever waits for it goes on."""
        self.answered_at = at
        self._answered.set()

    async def configure_media(self, remote: protocol.RemoteMedia) -> None:
        self._in_band = remote.dtmf_payload_type is None
        if not self.ended:
            await self._media.configure_leg(self._leg_id, remote)

    def take_digit(self, digit: str) -> None:
        """A key pressed at the far end: as RFC 4733 event, as a tone, or by INFO."""
        self.recordings.on_digit(digit)
        for listener in self._listeners:
            listener(digit)
        if self._digits_to is None:
            self._digits.put(digit)
        elif not (self._in_band and self._digits_to.in_band):  # there the tone itself goes through
            self._spawn(self._digits_to.press(digit))

    def press_soon(self, digit: str) -> None:
        self._spawn(self.press(digit))

    async def press(self, digit: str) -> None:
        """Sends a key to the far end, on top of whatever it is hearing."""
        if not self.ended:
            with suppress(MediaLost, MediaRefused):  # it ended in this moment
                await self._media.send_digits(self._leg_id, digit)

    @property
    @abstractmethod
    def dialog_key(self) -> DialogKey | None:
        """Its answered dialog, as a Replaces names it (RFC 3891)."""

    @property
    @abstractmethod
    def unfinished(self) -> dict[str, Any] | None:
        """What an ended leg has still to do at the far end: INVITEs without a final answer, dialogs whose BYE has none.
        In the form that `VoiceEngine.end_detached` takes, for who has to do it should this process die; else None."""

    @abstractmethod
    async def answer(self) -> None: ...

    @abstractmethod
    async def ring(self) -> None: ...

    @abstractmethod
    async def reject(self, *, busy: bool) -> None: ...

    @abstractmethod
    async def signal_end(self, cause: HangupCause) -> None:
        """Tells the far end that it is over."""

    @abstractmethod
    async def probe(self) -> bool:
        """Whether the far end still knows the call."""

    def _finish(self, end: LegEnd, *, tell: bool = False) -> None:
        if self._gone.done():
            return
        self._gone.set_result(end)
        self._stats = asyncio.ensure_future(self._close_media())
        if tell:
            self._spawn(self.signal_end(end.cause))

    async def _close_media(self) -> protocol.LegStats | None:
        if self._local is None:
            return None
        try:
            return await self._media.close_leg(self._leg_id)
        except (MediaLost, MediaRefused):
            self.recordings.lost()
            return None

    # Media.

    async def _play(self, prompts: Sequence[Prompt], loop: int) -> None:
        segments = await self._prompts.segments(prompts)
        self._play_number += 1
        play_id = str(self._play_number)
        finished = self._plays[play_id] = asyncio.get_running_loop().create_future()
        try:
            await self._media.play(self._leg_id, play_id, segments, loop)
            await finished
        except asyncio.CancelledError:
            if (
                finished.cancelled() or not finished.done()
            ) and not self.ended:  # whoever waits is cancelled with it
                self._spawn(self._stop_play())
            raise
        finally:
            self._plays.pop(play_id, None)

    async def _stop_play(self) -> None:
        try:
            await self._media.stop_play(self._leg_id)
        except (MediaLost, MediaRefused) as exc:
            log.debug("voice.stop_play", error=str(exc))

    async def _record(self, spec: RecordSpec) -> Recorded:
        if spec.beep:
            await self._beep()
        return await self.recordings.record(spec)

    async def _beep(self) -> None:
        self._play_number += 1
        play_id = str(self._play_number)
        finished = self._plays[play_id] = asyncio.get_running_loop().create_future()
        tone = protocol.Tone(frequencies=(1000.0,), duration_ms=250)
        await self._media.play(self._leg_id, play_id, [tone], 1)
        await finished
        self._plays.pop(play_id, None)

    def _on_media_event(self, event: protocol.Event) -> None:
        match event:
            case protocol.PlayFinished():
                finished = self._plays.get(event.play_id)
                if finished and not finished.done():
                    finished.set_result(event.completed)
            case protocol.DigitReceived():
                self.take_digit(event.digit)
            case protocol.RecordingEnded():
                self.recordings.on_ended(event)
            case protocol.AnswererFound() | protocol.GreetingOver():
                self.answering.on_event(event)
            case protocol.MediaUnsecured():
                log.info("voice.media_unsecured", call_id=self._leg_id, reason=event.reason)
                self.end(HangupCause.MEDIA_INCOMPATIBLE)
            case protocol.MediaSilent() if self.answered:
                self._spawn(self._on_silence(event.last_received_at))

    async def _on_silence(self, last_received_at: datetime | None) -> None:
        """A minute without RTP and RTCP: is there still anybody? If not, the call ended with the last packet."""
        if self.ended or await self.probe():
            return
        at = max(filter(None, (last_received_at, self.answered_at)), default=self._clock.now())
        self.end(HangupCause.MEDIA_TIMEOUT, by=HangupBy.CARRIER, at=at)
