"""Something said to everybody in a leg's room, on top of whatever they say and hear."""

import asyncio
from collections.abc import Sequence
from contextlib import suppress
from uuid import uuid4

from sautikitd.flow.port import Prompt
from sautikitd.voice.leg import MediaLeg
from sautikitd.voice.media.client import MediaLost, MediaRefused


async def announce(leg: MediaLeg, prompts: Sequence[Prompt]) -> None:
    """Returns when it has been said; does nothing for a leg that is in no room. What plays on the legs goes on.

    Raises `LegGone`, `PromptUnavailable`, `MediaRefused`.
    """
    if leg.room is None:
        return
    segments = await leg.prompts.segments(prompts)
    booth, said = f"announcement-{uuid4().hex}", asyncio.Event()
    await leg.media.open_booth(booth, leg.room, lambda _: said.set())
    try:
        await leg.media.announce(booth, "1", segments)
        await leg.until_gone(said.wait())
    finally:
        with suppress(MediaLost, MediaRefused):
            await leg.media.close_booth(booth)
