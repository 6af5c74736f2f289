"""What the worker process does for transcriptions: attempts and callbacks, each in loops of its own."""

import asyncio
from collections.abc import Awaitable, Callable

import structlog

from sautikitd.clock import Clock
from sautikitd.transcription.callbacks import TranscriptionCallbacks
from sautikitd.transcription.service import Transcriptions

log = structlog.get_logger()


class TranscriptionWorker:
    """Several attempts at a time. Any number of these may run, and any may die at any moment."""

    def __init__(
        self,
        transcriptions: Transcriptions,
        callbacks: TranscriptionCallbacks,
        clock: Clock,
        *,
        parallel: int = 3,
        poll_s: float = 2.0,
    ) -> None:
        self._transcriptions = transcriptions
        self._callbacks = callbacks
        self._clock = clock
        self._parallel = parallel
        self._poll_s = poll_s

    async def run(self) -> None:
        """Until cancelled; while the database is away it waits."""
        async with asyncio.TaskGroup() as group:
            for _ in range(self._parallel):
                group.create_task(self._repeat(self._transcriptions.work_one))
            group.create_task(self._repeat(self._callbacks.send_one))

    async def _repeat(self, work: Callable[[], Awaitable[bool]]) -> None:
        while True:
            try:
                while await work():
                    pass
            except Exception:
                log.exception("transcription.interrupted")
            await self._clock.sleep(self._poll_s)
