"""Hold inside a bridge: one party puts the call on hold by re-INVITE (RFC 3264 §8.4), the other hears music."""

import asyncio
from functools import partial

import structlog

from sautikitd.flow.hold_music import HOLD_MUSIC
from sautikitd.flow.port import LegGone, PromptUnavailable
from sautikitd.voice.leg import MediaLeg
from sautikitd.voice.media.client import MediaLost, MediaRefused

log = structlog.get_logger(__name__)

_FOR_EVER = 1000


async def play_music(listener: MediaLeg) -> None:
    """Until it is cancelled, or nobody listens any more."""
    try:
        await listener.play(HOLD_MUSIC, loop=_FOR_EVER)
    except (LegGone, MediaLost, MediaRefused, PromptUnavailable) as exc:
        log.debug("voice.hold_music_ended", call_id=str(listener.call_id), cause=str(exc))


class Holding:
    """Of one pair of legs, each in a room when it starts. What the party that holds still sends is not passed on: it may
    be music of its own."""

    def __init__(self, near: MediaLeg, far: MediaLeg) -> None:
        self._pairs = ((near, far), (far, near))
        self._music: dict[MediaLeg, asyncio.Task[None]] = {}  # by who hears it

    def start(self) -> None:
        """From now on, and for who holds already."""
        for holder, other in self._pairs:
            holder.watch_hold(partial(self._look, holder, other))
            self._look(holder, other)

    async def stop(self) -> None:
        for holder, _ in self._pairs:
            holder.watch_hold(None)
        playing, self._music = list(self._music.values()), {}
        for task in playing:
            task.cancel()
        await asyncio.gather(*playing, return_exceptions=True)

    def _look(self, holder: MediaLeg, other: MediaLeg) -> None:
        """One task for one hold: it mutes the holder, plays, and makes him heard again when it is cancelled."""
        if holder.held and other not in self._music:
            self._music[other] = asyncio.ensure_future(self._play(holder, other))
        elif not holder.held and (playing := self._music.pop(other, None)):
            playing.cancel()

    async def _play(self, holder: MediaLeg, other: MediaLeg) -> None:
        room = holder.room
        if room is None:  # it ended in this moment
            return
        try:
            await holder.join(room, muted=True)
            await play_music(other)
        except (MediaLost, MediaRefused) as exc:
            log.debug("voice.hold_ended", call_id=str(holder.call_id), cause=str(exc))
        finally:
            if not holder.ended and holder.room == room:
                await self._unmute(holder, room)

    async def _unmute(self, holder: MediaLeg, room: str) -> None:
        try:
            await holder.join(room)
        except (MediaLost, MediaRefused) as exc:
            log.debug("voice.hold_ended", call_id=str(holder.call_id), cause=str(exc))
