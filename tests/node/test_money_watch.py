"""When the hold grows, when the tone sounds, when the leg ends: on a clock moved by hand."""

import asyncio
from dataclasses import dataclass, field
from datetime import datetime
from typing import cast
from uuid import UUID

import msgspec
import pytest

from calls.scenery import Scene
from sautikitd.calls.lifecycle import Covered
from sautikitd.calls.models import CallRecord
from sautikitd.calls.outcomes import HangupCause
from sautikitd.clock import ManualClock
from sautikitd.database.pool import Database
from sautikitd.node.books import Books
from sautikitd.node.money import MoneyWatch
from sautikitd.voice.leg import MediaLeg


@dataclass
class Purse:
    """Stands for the books: covers up to `seconds`; None says that the database is away."""

    seconds: int | None
    asked: list[int] = field(default_factory=list)
    short_of: HangupCause = HangupCause.INSUFFICIENT_FUNDS

    async def extend(self, call_id: UUID, wanted_seconds: int) -> Covered | None:
        self.asked.append(wanted_seconds)
        if self.seconds is None:
            return None
        return Covered(seconds=min(wanted_seconds, self.seconds), short_of=self.short_of)


@dataclass
class Line:
    """Stands for the leg: notes what it is told, and when."""

    clock: ManualClock
    started: datetime
    warned_at: float | None = None
    ended: tuple[HangupCause, float] | None = None
    rang_off: asyncio.Event = field(default_factory=asyncio.Event)
    partner: None = None

    async def warn(self) -> None:
        self.warned_at = (self.clock.now() - self.started).total_seconds()

    def end(self, cause: HangupCause, *, at: datetime) -> None:
        self.ended = (cause, (at - self.started).total_seconds())
        self.rang_off.set()


async def _talk(call: CallRecord, purse: Purse, seconds: int) -> Line:
    clock = ManualClock()
    line = Line(clock, clock.now())
    watch = MoneyWatch(call, cast(MediaLeg, line), clock.now(), cast(Books, purse), clock)
    running = asyncio.ensure_future(watch.run())
    for _ in range(seconds):
        for _ in range(5):
            await asyncio.sleep(0)
        clock.advance(1)
    for _ in range(5):
        await asyncio.sleep(0)
    running.cancel()
    await asyncio.gather(running, return_exceptions=True)
    return line


@pytest.fixture
async def call(database: Database) -> CallRecord:
    return await (await Scene.on(database)).place()


async def test_the_hold_grows_by_a_minute_when_thirty_five_seconds_are_left(call: CallRecord) -> None:
    purse = Purse(10_000)
    line = await _talk(call, purse, 150)
    assert purse.asked == [120, 180, 240]
    assert line.ended is None


async def test_with_nothing_more_the_tone_sounds_thirty_seconds_before_the_end(call: CallRecord) -> None:
    line = await _talk(call, Purse(100), 120)
    assert line.warned_at == 70
    assert line.ended == (HangupCause.INSUFFICIENT_FUNDS, 100)


async def test_money_that_comes_in_meanwhile_saves_the_call(call: CallRecord) -> None:
    purse = Purse(60)
    clock = ManualClock()
    line = Line(clock, clock.now())
    watch = MoneyWatch(call, cast(MediaLeg, line), clock.now(), cast(Books, purse), clock)
    running = asyncio.ensure_future(watch.run())
    for second in range(90):
        if second == 50:
            purse.seconds = 10_000
        for _ in range(5):
            await asyncio.sleep(0)
        clock.advance(1)
    running.cancel()
    await asyncio.gather(running, return_exceptions=True)
    assert line.ended is None


async def test_a_call_that_a_cap_stops_says_so(call: CallRecord) -> None:
    line = await _talk(call, Purse(100, short_of=HangupCause.SPEND_LIMIT), 120)
    assert line.ended == (HangupCause.SPEND_LIMIT, 100)


async def test_a_call_outlives_a_database_outage_but_not_its_held_seconds(call: CallRecord) -> None:
    line = await _talk(call, Purse(None), 70)
    assert line.ended == (HangupCause.INSUFFICIENT_FUNDS, 60)


async def test_a_call_ends_at_its_longest_duration(call: CallRecord) -> None:
    short = msgspec.structs.replace(call, max_duration_seconds=20)
    line = await _talk(short, Purse(10_000), 30)
    assert line.ended == (HangupCause.MAX_DURATION, 20)


async def test_a_free_leg_asks_for_no_money_and_still_ends(call: CallRecord) -> None:
    free = msgspec.structs.replace(call, rate_per_minute_minor=0, max_duration_seconds=90)
    purse = Purse(0)
    line = await _talk(free, purse, 100)
    assert (purse.asked, line.ended) == ([], (HangupCause.MAX_DURATION, 90))


async def test_a_call_that_came_in_goes_on_without_money(call: CallRecord) -> None:
    inbound = msgspec.structs.replace(call, direction="inbound", max_duration_seconds=200)
    purse = Purse(70)
    line = await _talk(inbound, purse, 210)
    assert purse.asked == [120, 180, 200]
    assert (line.warned_at, line.ended) == (None, (HangupCause.MAX_DURATION, 200))
