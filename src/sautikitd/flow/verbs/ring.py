from typing import Annotated, ClassVar

import msgspec

from sautikitd.flow.verbs.verb import Run, Verb


class RingVerb(Verb, frozen=True, kw_only=True, tag="ring"):
    """Keeps an unanswered inbound call ringing for `length` seconds; passed over on any other."""

    takes_time: ClassVar[bool] = True

    length: Annotated[int, msgspec.Meta(ge=1, le=120)] = 5

    async def execute(self, run: Run) -> None:
        if not run.inbound or run.leg.answered:
            run.warn("only an unanswered inbound call can ring; passed over")
            return
        await run.leg.ring()
        await run.leg.wait(self.length)

    def told(self) -> str:
        return f"ring {self.length} s"
