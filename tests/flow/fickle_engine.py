"""An engine that does whatever it may do under the port, by a seed, in the time of an injected clock: it plays or
cannot, collects or not, connects or is busy, and at any moment the far end may hang up."""

import random
from collections.abc import Sequence
from datetime import timedelta
from uuid import uuid4

from sautikitd.clock import ManualClock
from sautikitd.flow.port import (
    Collected,
    CollectEnd,
    Dialled,
    DialSpec,
    DialStatus,
    LegGone,
    Prompt,
    PromptUnavailable,
    Recorded,
    RecordEnd,
    RecordSpec,
)  # fmt: skip
from sautikitd.flow.rooms_port import (
    Attended,
    AttendEnd,
    ConferenceSpec,
    Dequeued,
    OnDigits,
    QueueLeft,
    Sounds,
)
from sautikitd.flow.streams import Streamed, StreamEnd, StreamSpec

LONGEST_S = 600.0  # of a call; then the engine ends it


class FickleEngine:
    """Leg, dialler, rooms and streams of one call. `over` is the cause by which the leg ended."""

    def __init__(self, seed: int, clock: ManualClock, *, answered: bool) -> None:
        self.call_id = uuid4()
        self.over: str | None = None
        self._random = random.Random(seed)
        self._clock = clock
        self._answered = answered
        self._ends_at = clock.now() + timedelta(seconds=LONGEST_S)
        self._steadiness = self._random.choice((8, 40, 400))

    @property
    def answered(self) -> bool:
        return self._answered

    async def answer(self) -> None:
        self._pass(0.2)
        self._answered = True

    async def ring(self) -> None:
        self._pass(0)

    async def wait(self, seconds: float) -> None:
        if self.over:
            raise LegGone(self.over)
        if seconds:
            self._pass(seconds)

    async def reject(self, *, busy: bool) -> None:
        self._end("user_busy" if busy else "call_rejected")

    async def hang_up(self) -> None:
        self._end("normal_clearing")

    async def play(self, prompts: Sequence[Prompt], *, loop: int = 1) -> None:
        assert 1 <= loop <= 1000
        self._hear(prompts)
        self._pass(min(60.0, 2.0 * len(prompts) * loop))

    async def collect(
        self, *, max_digits: int, finish_on_key: str, timeout_s: float, prompts: Sequence[Prompt] = ()
    ) -> Collected:
        assert timeout_s > 0
        self._hear(prompts)
        self._pass(timeout_s)
        digits = self._random.choice(("", "1", "4711", "*"))[: max_digits or None]
        return Collected(digits=digits, end=CollectEnd.DIGITS if digits else CollectEnd.TIMEOUT)

    async def record(self, spec: RecordSpec) -> Recorded:
        self._pass(spec.max_length_s)
        return Recorded(recording_id=uuid4(), duration_ms=1000, end=self._random.choice(list(RecordEnd)))

    @property
    def last(self) -> Dialled | None:
        return None

    async def dial(self, spec: DialSpec) -> Dialled:
        assert 1 <= len(spec.numbers) <= 10
        status = self._random.choice(list(DialStatus))
        self._pass(spec.timeout_s)
        if status is DialStatus.COMPLETED:
            self._answered = True
            self._pass(min(30, spec.max_duration_s))
            return Dialled(
                status=status, cause="normal_clearing", duration_s=30, answered_at=self._clock.now(), call_id=uuid4()
            )  # fmt: skip
        return Dialled(status=status, cause=self._random.choice(("user_busy", "calls.destination_forbidden")))

    async def attend(self, spec: ConferenceSpec, sounds: Sounds, on_digits: OnDigits) -> Attended:
        await self._wait_with(sounds)
        if spec.num_digits is not None and await on_digits("1"):
            return Attended(end=AttendEnd.LEFT)
        return Attended(end=self._random.choice(list(AttendEnd)), seconds=5)

    async def enqueue(self, name: str, *, most: int | None, longest_s: int, sounds: Sounds) -> QueueLeft:
        await self._wait_with(sounds)
        result = self._random.choice(("bridged", "timeout", "queue-full", "leave", "error"))
        return QueueLeft(result=result, wait_seconds=longest_s)

    async def dequeue(self, name: str, *, longest_s: int, sounds: Sounds) -> Dequeued:
        await self._wait_with(sounds)
        return Dequeued(call_id=self._random.choice((None, uuid4())))

    async def connect(self, spec: StreamSpec) -> Streamed:
        self._pass(10)
        return Streamed(stream_id="s", end=self._random.choice(list(StreamEnd)), error="", warnings=("one",))

    async def begin(self, spec: StreamSpec) -> str | None:
        return self._random.choice((None, "four streams run already"))

    async def stop(self, name: str) -> int:
        return self._random.randrange(3)

    async def _wait_with(self, sounds: Sounds) -> None:
        for position in range(self._random.randrange(1, 4)):
            sound = await sounds.next({"queuePosition": str(position)})
            assert 1 <= sound.loop <= 1000
            self._pass(5)

    def _hear(self, prompts: Sequence[Prompt]) -> None:
        if prompts and self._random.random() < 0.1:
            raise PromptUnavailable("status 404")

    def _pass(self, seconds: float) -> None:
        if self.over:
            raise LegGone(self.over)
        self._clock.advance(seconds)
        if self._clock.now() >= self._ends_at:
            self._end("max_duration")
        if self._random.randrange(self._steadiness) == 0:
            self._end("far_end")

    def _end(self, cause: str) -> None:
        self.over = self.over or cause
        raise LegGone(self.over)
