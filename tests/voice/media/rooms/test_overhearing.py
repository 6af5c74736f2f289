"""A supervisor hears what the platform plays to the caller, and nobody hears it twice."""

import asyncio

import pytest

from sautikitd.voice.media.protocol import Tone
from voice.media.call import Calls
from voice.media.rtp_peer import level, sine

pytestmark = pytest.mark.asyncio(loop_scope="module")


async def test_a_prompt_played_to_one_leg_is_overheard_by_the_supervisor_and_by_nobody_else(
    calls: Calls,
) -> None:
    caller, third, supervisor = [await calls.call() for _ in range(3)]
    for leg in (caller, third):
        await calls.media.join("a", leg.leg_id)
    await calls.media.join("a", supervisor.leg_id, heard_by=[], overhears=[caller.leg_id])
    await calls.media.play(caller.leg_id, "p", [Tone(frequencies=(700.0,), duration_ms=10_000)])
    await asyncio.gather(supervisor.peer.say(sine(1300, 0.4)), caller.peer.say(sine(450, 0.4)))

    heard = {leg.leg_id: leg.peer.recent(0.2) for leg in (caller, third, supervisor)}
    assert level(heard[caller.leg_id], 700) > 6000
    assert abs(level(heard[supervisor.leg_id], 700) / level(heard[caller.leg_id], 700) - 1) < 0.05
    assert level(heard[supervisor.leg_id], 450) > 6000
    assert level(heard[third.leg_id], 700) < 100
    assert level(heard[supervisor.leg_id], 1300) < 100


async def test_overhearing_ends_with_the_one_who_is_overheard(calls: Calls) -> None:
    caller, supervisor = [await calls.call() for _ in range(2)]
    await calls.media.join("b", caller.leg_id)
    await calls.media.join("b", supervisor.leg_id, heard_by=[], overhears=[caller.leg_id])
    await calls.media.play(caller.leg_id, "p", [Tone(frequencies=(700.0,), duration_ms=10_000)])
    await calls.media.close_leg(caller.leg_id)
    other = await calls.call()
    await calls.media.play(other.leg_id, "q", [Tone(frequencies=(900.0,), duration_ms=10_000)])
    await supervisor.peer.say(sine(1300, 0.4))
    assert level(supervisor.peer.recent(0.2), 900) < 100
