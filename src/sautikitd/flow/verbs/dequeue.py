from collections.abc import Iterator
from typing import Annotated, ClassVar

import msgspec

from sautikitd.flow.callbacks.question import Method, Question, SessionState
from sautikitd.flow.port import DialStatus
from sautikitd.flow.rooms_port import Dequeued
from sautikitd.flow.uploaded import sound_flaws
from sautikitd.flow.verbs.conference import RoomName, WaitReference
from sautikitd.flow.verbs.verb import Flaw, Reference, Run, Verb, reference_flaws
from sautikitd.flow.verbs.waiting import WaitSounds


class DequeueVerb(Verb, frozen=True, kw_only=True, tag="dequeue"):
    """Takes the caller who has waited longest in the queue `name`, and talks to him until either goes.

    Where nobody waits, one is waited for, `maxWait` s at most, with `waitUrl` to hear. `action` is asked as
    after a `dial`: `dialStatus` is `completed`, or `no_answer` when nobody came; without it the next verb runs.
    """

    answers: ClassVar[bool] = True
    takes_time: ClassVar[bool] = True

    name: RoomName
    wait_url: WaitReference | None = None
    wait_method: Method = Method.POST
    action: Reference | None = None
    method: Method = Method.POST
    max_wait: Annotated[int, msgspec.Meta(ge=0, le=14_400)] = 30

    def flaws(self) -> Iterator[Flaw]:
        yield from sound_flaws("waitUrl", self.wait_url or None)
        yield from reference_flaws("action", self.action)

    async def execute(self, run: Run) -> None:
        dequeued = await run.rooms.dequeue(
            self.name, longest_s=self.max_wait, sounds=WaitSounds(run, self.wait_url, self.wait_method)
        )
        run.tell(caller=str(dequeued.call_id or ""), talked=str(dequeued.talk_seconds))
        if self.action is not None:
            await run.ask(self._question(self.action, dequeued))

    def _question(self, action: str, dequeued: Dequeued) -> Question:
        met = dequeued.call_id is not None
        return Question(
            url=action,
            method=self.method,
            state=SessionState.DIAL_COMPLETED,
            results={
                "queueName": self.name,
                "dialStatus": (DialStatus.COMPLETED if met else DialStatus.NO_ANSWER).value,
                "dialBridged": "true" if met else "false",
                "dialDuration": str(dequeued.talk_seconds),
                "dialCallId": str(dequeued.call_id or ""),
                "queueTime": str(dequeued.wait_seconds) if met else "",
            },
        )

    def told(self) -> str:
        return f"dequeue from {self.name}"
