"""Playing prompts so that one that cannot be had costs the caller a gap, not the call."""

from collections.abc import Sequence

from sautikitd.flow.port import Prompt, PromptUnavailable
from sautikitd.flow.verbs.verb import Run


async def play_or_warn(run: Run, prompts: Sequence[Prompt], loop: int) -> None:
    """Plays; a prompt that is unavailable becomes a `flow.warning` and the flow goes on."""
    try:
        await run.leg.play(prompts, loop=max(1, loop))
    except PromptUnavailable as error:
        run.warn(f"nothing was played: {error}")
