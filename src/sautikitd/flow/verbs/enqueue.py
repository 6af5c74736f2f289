from collections.abc import Iterator
from typing import Annotated, ClassVar

import msgspec

from sautikitd.flow.callbacks.question import Method, Question, SessionState
from sautikitd.flow.rooms_port import QueueLeft
from sautikitd.flow.uploaded import sound_flaws
from sautikitd.flow.verbs.conference import RoomName, WaitReference
from sautikitd.flow.verbs.verb import Flaw, Reference, Run, Verb, reference_flaws
from sautikitd.flow.verbs.waiting import WaitSounds


class EnqueueVerb(Verb, frozen=True, kw_only=True, tag="enqueue"):
    """Waits in the queue `name`, at most `maxWait` s, for somebody to take this caller, and talks to him.

    Meanwhile `waitUrl` is heard: a URL that answers with say and play is told `queuePosition`, `queueTime`,
    `currentQueueSize` and `averageQueueTime` (s) each round (by `waitMethod`). It may gather keys, and have the caller
    `leave`. A queue in which `maxSize` wait is full. However it
    ends, `action` is asked, with `queueResult` (`bridged`, `timeout`, `queue-full`, `leave`, `error`) and
    `queueTime`; without it the next verb runs.
    """

    answers: ClassVar[bool] = True
    takes_time: ClassVar[bool] = True

    name: RoomName
    wait_url: WaitReference | None = None
    wait_method: Method = Method.POST
    action: Reference | None = None
    method: Method = Method.POST
    max_size: Annotated[int, msgspec.Meta(ge=1, le=10_000)] = 1000
    max_wait: Annotated[int, msgspec.Meta(ge=1, le=14_400)] = 14_400

    def flaws(self) -> Iterator[Flaw]:
        yield from sound_flaws("waitUrl", self.wait_url or None)
        yield from reference_flaws("action", self.action)

    async def execute(self, run: Run) -> None:
        left = await run.rooms.enqueue(
            self.name,
            most=self.max_size,
            longest_s=self.max_wait,
            sounds=WaitSounds(run, self.wait_url, self.wait_method, in_queue=True),
        )
        run.tell(result=left.result, waited=str(left.wait_seconds), talked=str(left.talk_seconds))
        if self.action is not None:
            await run.ask(self._question(self.action, left))

    def _question(self, action: str, left: QueueLeft) -> Question:
        return Question(
            url=action,
            method=self.method,
            state=SessionState.QUEUE_LEFT,
            results={
                "queueName": self.name,
                "queueResult": left.result,
                "queueTime": str(left.wait_seconds),
                "queueId": str(left.queue_id or ""),
                "dialDuration": str(left.talk_seconds) if left.taken_by else "",
                "dialCallId": str(left.taken_by or ""),
            },
        )

    def told(self) -> str:
        return f"enqueue in {self.name}"
