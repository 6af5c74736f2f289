"""What waits to be sent on one socket: bounded in frames, so that a slow server hears late audio never."""

import asyncio
from collections import deque
from collections.abc import Sequence

from sautikitd.voice.streams.dialect import Message

MOST_FRAMES = 150
"""Three seconds."""

MOST_OTHERS = 1000


class Outbox:
    """Audio frames give way, the oldest first, and are counted; other messages do not."""

    def __init__(self, most_frames: int = MOST_FRAMES) -> None:
        self._most = most_frames
        self._waiting: deque[tuple[bool, Sequence[Message]]] = deque()
        self._frames = 0
        self._arrived = asyncio.Event()
        self._closed = False
        self.dropped = 0

    def put_frame(self, messages: Sequence[Message]) -> None:
        if self._frames == self._most:
            self._drop_oldest()
        self._frames += 1
        self._put(True, messages)

    def put(self, messages: Sequence[Message]) -> None:
        """Beyond a thousand, which no call has to say, they are dropped like frames."""
        if len(self._waiting) - self._frames >= MOST_OTHERS:
            self.dropped += 1
            return
        self._put(False, messages)

    def close(self) -> None:
        """What waits is still handed out; then `next` gives None."""
        self._closed = True
        self._arrived.set()

    async def next(self) -> Sequence[Message] | None:
        while not self._waiting:
            if self._closed:
                return None
            self._arrived.clear()
            await self._arrived.wait()
        is_frame, messages = self._waiting.popleft()
        self._frames -= is_frame
        return messages

    def _put(self, is_frame: bool, messages: Sequence[Message]) -> None:
        if not self._closed and messages:
            self._waiting.append((is_frame, messages))
            self._arrived.set()

    def _drop_oldest(self) -> None:
        for index, (is_frame, _) in enumerate(self._waiting):
            if is_frame:
                del self._waiting[index]
                self._frames -= 1
                self.dropped += 1
                return
