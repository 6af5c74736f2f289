from typing import Annotated

import msgspec

from sautikitd.flow.verbs.verb import Run, Verb


class StopStreamVerb(Verb, frozen=True, kw_only=True, tag="stopStream"):
    """Stops the streams called `name` that run beside the flow, or all of them; none is no error."""

    name: Annotated[str, msgspec.Meta(max_length=128)] = ""

    async def execute(self, run: Run) -> None:
        stopped = await run.streams.stop(self.name)
        run.tell(stopped=str(stopped))
