"""Who answered one leg: asked of the media process, which listens."""

import asyncio
from dataclasses import dataclass

from sautikitd.voice.media.client import MediaClient
from sautikitd.voice.media.listening.answerer import Answerer, GreetingEnd
from sautikitd.voice.media.protocol import AnswererFound, GreetingOver


@dataclass(frozen=True)
class Found:
    """`after_ms` counts from when it was asked."""

    by: Answerer
    after_ms: int


class LegAnswering:
    """Ask `listen` once, at the answer; `greeting_end` is known once `greeting_over` has returned."""

    def __init__(self, leg_id: str, media: MediaClient) -> None:
        self._leg_id = leg_id
        self._media = media
        self._found: asyncio.Future[Found] = asyncio.get_running_loop().create_future()
        self._over: asyncio.Future[GreetingEnd] = asyncio.get_running_loop().create_future()
        self.answerer: Answerer | None = None
        self.greeting_end: GreetingEnd | None = None

    async def listen(self, *, to_the_end: bool) -> Found:
        """Who answered, within seven seconds. Raises `MediaRefused`, `MediaLost`."""
        await self._media.find_answerer(self._leg_id, to_the_end=to_the_end)
        return await self._found

    async def greeting_over(self) -> GreetingEnd:
        """How a greeting ended that is listened to `to_the_end`: at most half a minute after the answer."""
        return await self._over

    def on_event(self, event: AnswererFound | GreetingOver) -> None:
        match event:
            case AnswererFound() if not self._found.done():
                self.answerer = event.answerer
                self._found.set_result(Found(event.answerer, event.after_ms))
            case GreetingOver() if not self._over.done():
                self.greeting_end = event.end
                self._over.set_result(event.end)
