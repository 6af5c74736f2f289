"""The kinds of calls of a soak: each places its calls, does its part, and returns when they have ended.

The far ends are the numbers of the simulated carrier (contract §9), told apart by their last four digits.
"""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

from system.soak.party import Flow, Party

Kind = Callable[[Party, int], Awaitable[None]]
_SAY: Flow = [{"say": {"text": "Habari."}}]
_WAIT: Flow = [{"pause": {"length": 60}}]


def callee(last: str) -> str:
    return f"+25471200{last}"


def menu(form: dict[str, str]) -> Flow:
    """The flow of those who are asked for keys: asks once, then hangs up."""
    if "Digits" in form:
        return [{"hangup": {}}]
    return [{"getDigits": {"numDigits": 1, "timeout": 5, "nested": [{"say": {"text": "Press one."}}]}}]


async def answered(party: Party, _: int) -> None:
    await party.ended(await party.place(callee("0001"), actions=_SAY))


async def busy(party: Party, _: int) -> None:
    await party.ended(await party.place(callee("0003"), actions=_SAY))


async def rejected(party: Party, _: int) -> None:
    await party.ended(await party.place(callee("0005"), actions=_SAY))


async def trunk_down(party: Party, _: int) -> None:
    await party.ended(await party.place(callee("0011"), actions=_SAY))


async def unreachable(party: Party, _: int) -> None:
    await party.ended(await party.place(callee("0012"), actions=_SAY))


async def no_answer(party: Party, _: int) -> None:
    await party.ended(await party.place(callee("0004"), actions=_SAY, timeout_seconds=5))


async def cancelled(party: Party, _: int) -> None:
    call_id = await party.place(callee("0004"), actions=_SAY)
    await party.ears.event(call_id, "call.ringing")
    await party.hang_up(call_id)
    await party.ended(call_id)


async def cancelled_at_once(party: Party, _: int) -> None:
    """The hang-up meets the call wherever it is just then: queued, ringing, or being answered."""
    call_id = await party.place(callee("0001"), actions=_WAIT)
    await party.hang_up(call_id)
    await party.ended(call_id)


async def keys(party: Party, _: int) -> None:
    await party.ended(
        await party.place(callee("0007"), voice_callback_url=f"{party.ears.url}/voice/menu"),
    )


async def recorded(party: Party, index: int) -> None:
    wish: Any = {"channels": "dual"} if index % 2 else True
    await party.ended(await party.place(callee("0009"), actions=[{"pause": {"length": 2}}], record=wish))


async def voicemail(party: Party, _: int) -> None:
    await party.ended(await party.place(callee("0009"), actions=[{"record": {"maxLength": 2, "timeout": 2}}]))


async def callee_hangs_up(party: Party, _: int) -> None:
    await party.ended(await party.place(callee("0010"), actions=_WAIT))


async def platform_hangs_up(party: Party, _: int) -> None:
    call_id = await party.place(callee("0001"), actions=_WAIT)
    await party.ears.event(call_id, "call.answered")
    await party.hang_up(call_id)
    await party.ended(call_id)


async def dialled(party: Party, index: int) -> None:
    """A bridge of two; the one dialled hangs up, or the API the other."""
    far = "0010" if index % 2 else "0001"
    call_id = await party.place(callee("0001"), actions=[{"dial": {"number": callee(far)}}])
    if far == "0001":
        await party.ears.event(call_id, "call.answered")
        await asyncio.sleep(2)  # they talk for a while, as people do
        await party.hang_up(call_id)
    await party.ended(call_id)


async def dialled_busy(party: Party, _: int) -> None:
    dial = {"numbers": [callee("0003"), callee("0005")], "sequential": True}
    await party.ended(await party.place(callee("0001"), actions=[{"dial": dial}]))


async def first_of_two(party: Party, _: int) -> None:
    await party.ended(await party.place([callee("0001"), callee("0002")], actions=_SAY))


async def conference(party: Party, index: int) -> None:
    room = f"room{index}"
    calls = [
        await party.place(
            callee("0001"), actions=[{"conference": {"name": room, "beep": True, "endOnExit": first}}]
        )
        for first in (True, False, False)
    ]
    for call_id in calls:
        await party.ears.event(call_id, "call.answered")
    await asyncio.sleep(1)  # they talk for a while, as people do
    await party.hang_up(calls[0])
    await party.ended(*calls)


async def queue(party: Party, index: int) -> None:
    name = f"queue{index}"
    caller = await party.place(callee("0001"), actions=[{"enqueue": {"name": name}}])
    await party.ears.event(caller, "call.answered")
    agent = await party.place(callee("0010"), actions=[{"dequeue": {"name": name}}])
    await party.ended(agent, caller)


async def inbound(party: Party, _: int) -> None:
    """The caller presses a key and is hung up on, or goes himself."""
    await party.ended(await party.ring([{"wait": 1}, {"press": "1"}, {"wait": 5}]))


async def inbound_gives_up(party: Party, _: int) -> None:
    await party.ended(await party.ring([{"wait": 1.5}, {"hangup": True}]))


# How many of a hundred are of a kind. A conference is three calls, a queue two.
SHARES: dict[Kind, int] = {
    answered: 18,
    busy: 6,
    rejected: 4,
    trunk_down: 4,
    unreachable: 2,
    no_answer: 6,
    cancelled: 6,
    cancelled_at_once: 6,
    keys: 8,
    recorded: 6,
    voicemail: 4,
    callee_hangs_up: 4,
    platform_hangs_up: 6,
    dialled: 6,
    dialled_busy: 2,
    first_of_two: 2,
    conference: 2,
    queue: 2,
    inbound: 4,
    inbound_gives_up: 2,
}


async def far_end_gone(party: Party, index: int) -> None:
    """Answered, then nothing: after a minute without sound the platform asks, and ends the call."""
    call_id = await party.place(f"+2547120{index:05d}", actions=[{"pause": {"length": 300}}])
    await party.ended(call_id, within_s=180)


async def bye_unanswered(party: Party, index: int) -> None:
    await party.ended(await party.place(f"+2547120{index:05d}", actions=[{"pause": {"length": 1}}]))
