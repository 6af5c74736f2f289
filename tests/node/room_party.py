"""Callers in conferences and queues: who hears whom, and what the rows and events say."""

import asyncio
from collections.abc import Sequence
from typing import Any
from uuid import UUID

from node.exchange import PATIENCE_S, holds_tone, keys_of, reoffer, until_heard, until_music
from node.switchboard import NUMBER, Office, Switchboard
from simulators.carrier.far_side import Phone, eventually
from voice.media.rtp_peer import sine


async def call_in(board: Switchboard, caller: str) -> Phone:
    """A caller who was answered."""
    phone = await board.exchange.call(NUMBER, caller)
    await phone.answered()
    return phone


async def speak_together(parties: Sequence[Phone], tones: Sequence[float]) -> list[set[float]]:
    """Everybody says his tone at once; which of them each hears then."""
    await asyncio.gather(
        *(phone.peer.say(sine(tone, 1.0, 6000)) for phone, tone in zip(parties, tones, strict=True))
    )
    heard = [phone.peer.recent(0.5) for phone in parties]
    return [{tone for tone in tones if holds_tone(one, tone)} for one in heard]


async def press_and_hold(caller: Phone, agent: Phone) -> None:
    """Two who talk: keys reach the other one, and whoever is put on hold hears music until he is taken back."""
    await caller.press("15")
    await agent.press("7")
    await eventually(lambda: (keys_of(agent), keys_of(caller)) == ("15", "7"))
    await reoffer(agent, "sendonly")
    await until_music(caller)
    await reoffer(agent, "sendrecv")
    await until_heard(caller, agent)


async def rows(board: Office, statement: str, *values: Any) -> list[Any]:
    async with board.platform.database.connection() as connection:
        return list(await connection.fetch(statement, *values))


async def until_rows(board: Office, wanted: int, statement: str, *values: Any) -> list[Any]:
    """What the statement finds, as soon as it is so many rows."""
    async with asyncio.timeout(PATIENCE_S):
        while len(found := await rows(board, statement, *values)) != wanted:
            await asyncio.sleep(0.02)
    return found


async def until_seated(board: Switchboard, wanted: int) -> list[Any]:
    """The seats of the conference, once so many are connected."""
    seats = "SELECT * FROM room_seats WHERE left_at IS NULL AND seated_at IS NOT NULL ORDER BY id"
    return await until_rows(board, wanted, seats)


async def kinds(board: Switchboard, prefix: str) -> list[str]:
    """The kinds of the events so far, in order."""
    found = await rows(board, "SELECT kind FROM events WHERE kind LIKE $1 ORDER BY id", f"{prefix}.%")
    return [row["kind"].removeprefix(f"{prefix}.") for row in found]


async def call_of(board: Switchboard, caller: str) -> UUID:
    found = await rows(board, "SELECT id FROM calls WHERE from_address = $1 ORDER BY id DESC LIMIT 1", caller)
    call_id: UUID = found[0]["id"]
    return call_id


async def nothing_left(board: Switchboard) -> None:
    """Nobody sits anywhere any more, in the rows and in the media processes."""
    await until_rows(board, 0, "SELECT id FROM room_seats WHERE left_at IS NULL")
    await until_rows(board, 0, "SELECT id FROM rooms WHERE ended_at IS NULL")
    await until_rows(board, 0, "SELECT id FROM queue_members WHERE left_at IS NULL")
    async with asyncio.timeout(PATIENCE_S):
        while True:
            gauges = [await media.gauges() for media in board.parts.engine.media.clients]
            if all((one.rooms, one.legs) == (0, 0) for one in gauges):
                return
            await asyncio.sleep(0.02)
