"""Random calls on one wallet, many at once, with crashes between any two steps: the books stay true."""

import asyncio
import random
from collections.abc import Awaitable, Callable
from datetime import timedelta
from typing import TypeVar
from uuid import UUID

import pytest

from calls.scenery import CALLEE, NUMBER, PREPARED, Scene
from factories import advance
from sautikitd.calls import claiming, leases, queue
from sautikitd.calls.outcomes import CallStatus, HangupBy, HangupCause
from sautikitd.calls.requests import PlaceCall
from sautikitd.calls.steps import Ending
from sautikitd.database.pool import Connection
from sautikitd.errors import Refusal
from sautikitd.wallet.audit import audit
from sautikitd.wallet.models import Account, Cause, EntryType

T = TypeVar("T")
CALLS_AT_ONCE = 12
CALLS = 60


class Crashed(Exception):
    """The process that ran a step is gone; nobody knows whether the step was committed."""


class Gambler:
    """Runs steps of calls, some of which crash before their commit, and some after it."""

    def __init__(self, scene: Scene, dice: random.Random) -> None:
        self._scene = scene
        self._dice = dice

    async def step(self, work: Callable[[Connection], Awaitable[T]]) -> T:
        """Commits the step in the end, however often it must be run again. Raises `Crashed` when the node dies."""
        while True:
            fate = self._dice.random()
            try:
                async with self._scene.platform.database.transaction() as connection:
                    outcome = await work(connection)
                    if fate < 0.15:
                        raise Crashed
            except Crashed:
                if fate < 0.03:
                    raise
                continue  # rolled back, and run again
            if fate < 0.18:
                raise Crashed
            if fate < 0.30:
                continue  # committed, but the answer was lost: run again
            return outcome

    async def live(self) -> None:
        """One call's whole life, as far as its node lives."""
        scene, dice = self._scene, self._dice
        to = [CALLEE, "+254733000001"] if dice.random() < 0.2 else CALLEE
        wish = PlaceCall(from_=NUMBER, to=to, max_duration_seconds=dice.choice([20, 90, 14_400]))
        try:
            async with scene.platform.database.transaction() as connection:
                await scene.placing.place(connection, scene.principal, wish)
        except Refusal:
            return  # no money left: that is an outcome too
        try:
            claimed = await self._claim()
            for leg in claimed.legs if claimed else ():
                await self._talk(leg.id, claimed.call.id if claimed and claimed.call.is_parent else None)
            if claimed and claimed.call.is_parent and claimed.legs:
                await self._end(claimed.call.id, CallStatus.NO_ANSWER, 0)
        except Crashed:
            return  # the reaper's now

    async def _claim(self) -> claiming.Claimed | None:
        """A claim is not repeated when its answer is lost: its call is then nobody's until the lease lapses."""
        scene = self._scene
        async with scene.platform.database.transaction() as connection:
            claims = await claiming.claim(
                connection,
                scene.lifecycle,
                node_id=scene.node_id,
                room=50,
                now=scene.now,
                prepare=lambda _: PREPARED,
            )
        claimed = claims.calls[0] if claims.calls else None
        if self._dice.random() < 0.1:
            raise Crashed
        return claimed

    async def _talk(self, call_id: UUID, parent_id: UUID | None) -> None:
        scene, dice = self._scene, self._dice
        if dice.random() < 0.3:
            await self._end(
                call_id, dice.choice([CallStatus.BUSY, CallStatus.NO_ANSWER, CallStatus.FAILED]), 0
            )
            return
        if parent_id:
            won = await self.step(
                lambda connection: scene.lifecycle.win(
                    connection, parent_id, call_id, scene.now, {"dialog": {}}
                )
            )
            if not won and (await scene.call(call_id)).status is not CallStatus.ANSWERED:
                await self._end(call_id, CallStatus.CANCELED, 0)
                return
        else:
            await self.step(
                lambda connection: scene.lifecycle.answer(connection, call_id, scene.now, {"dialog": {}})
            )
        covered = 60
        for _ in range(dice.randrange(4)):
            covered = max(covered, await self._grow(call_id, covered + 60))
        await self._end(call_id, CallStatus.FAILED, dice.uniform(0, min(covered, 200)))

    async def _grow(self, call_id: UUID, wanted: int) -> int:
        covered = await self.step(
            lambda connection: self._scene.lifecycle.extend_hold(connection, call_id, wanted)
        )
        return covered.seconds

    async def _end(self, call_id: UUID, status: CallStatus, after_s: float) -> None:
        scene = self._scene
        ending = Ending(
            cause=HangupCause.NORMAL_CLEARING,
            by=HangupBy.CALLEE,
            at=scene.now + timedelta(seconds=after_s),
            status=status,
        )
        await self.step(lambda connection: scene.lifecycle.end(connection, call_id, ending))


async def _reap(scene: Scene) -> None:
    advance(scene.platform.clock, seconds=30)
    async with scene.platform.database.transaction() as connection:
        await leases.reap(connection, scene.lifecycle, scene.node_id, scene.now, limit=10_000)


@pytest.mark.parametrize("seed", [1, 2, 3])
async def test_however_calls_crash_every_one_ends_and_is_charged_exactly_once(
    scene: Scene, seed: int
) -> None:
    dice = random.Random(seed)
    await scene.limit(calls_per_second=1e6, tokens=1e6, max_concurrent_calls=10_000)
    async with scene.platform.database.transaction() as connection:
        account = Account(scene.workspace.id, "test")
        cause = Cause(EntryType.ADJUSTMENT, "a small wallet")
        await scene.platform.wallets.adjust(connection, account, cause, -85_000, "a small wallet")
    gambler = Gambler(scene, dice)
    for _ in range(0, CALLS, CALLS_AT_ONCE):
        await asyncio.gather(*(gambler.live() for _ in range(CALLS_AT_ONCE)))
    await _reap(scene)
    async with scene.platform.database.transaction() as connection:
        for row in await connection.fetch(
            "SELECT id FROM calls WHERE status = 'queued' AND parent_call_id IS NULL"
        ):
            await queue.cancel_queued(
                connection, scene.lifecycle, row["id"], HangupCause.CANCELED, HangupBy.PLATFORM, scene.now
            )

    async with scene.platform.database.connection() as connection:
        calls = await connection.fetch("SELECT * FROM calls")
        charges = await connection.fetch(_CHARGES)
        lowest = await connection.fetchval(_LOWEST)
        finals = await connection.fetch(_FINALS)
        unbalanced = await connection.fetchval(_UNBALANCED)
        findings = await audit(connection)
    assert findings == []
    assert (await scene.balance())[1] == 0
    assert lowest >= 0
    assert unbalanced == 0
    paid = {row["call_id"]: row["amount"] for row in charges}
    assert len(paid) == len(charges)
    for call in calls:
        assert CallStatus(call["status"]).terminal
        owed = -(-(call["billed_seconds"] or 0) * call["rate_per_minute_minor"] // 60)
        assert paid.get(call["id"], 0) == call["cost_minor"] == (owed if call["target_count"] == 1 else 0)
    assert {row["call_id"]: row["count"] for row in finals} == {call["id"]: 1 for call in calls}
    assert any(call["cost_minor"] for call in calls)


_CHARGES = """
SELECT t.call_id, -e.amount_minor AS amount FROM ledger_transactions t
JOIN ledger_entries e ON e.transaction_id = t.id AND e.account = 'wallet' WHERE t.call_id IS NOT NULL
"""

_LOWEST = "SELECT min(balance_after_minor) FROM ledger_entries WHERE balance_after_minor IS NOT NULL"

_FINALS = """
SELECT call_id, count(*) FROM events WHERE kind IN ('call.completed', 'call.failed') GROUP BY call_id
"""

_UNBALANCED = """
SELECT count(*) FROM (SELECT FROM ledger_entries GROUP BY transaction_id HAVING sum(amount_minor) <> 0) off
"""
