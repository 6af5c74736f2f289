from typing import Annotated, ClassVar

import msgspec

from sautikitd.flow.verbs.verb import Run, Verb


class PauseVerb(Verb, frozen=True, kw_only=True, tag="pause"):
    """Waits `length` seconds. Does not answer an inbound call."""

    takes_time: ClassVar[bool] = True

    length: Annotated[int, msgspec.Meta(ge=1, le=3600)] = 1

    async def execute(self, run: Run) -> None:
        await run.leg.wait(self.length)

    def told(self) -> str:
        return f"pause {self.length} s"
