"""An operator's tariff may give inbound calls a price (contract §4.6); they are taken at any balance all the same."""

import pytest

from calls.scenery import NUMBER, Scene
from sautikitd.calls.models import CallRecord
from sautikitd.calls.session_ids import SessionIds
from sautikitd.calls.test_calls import RingNumber, TestCalls
from sautikitd.ids import uuid7
from sautikitd.wallet.models import Account, Cause, EntryType

PER_MINUTE = 60
"""In cents: a cent a second."""


async def called(scene: Scene, *, balance: int) -> CallRecord:
    """A call that has come in and was answered, on a wallet with so much in it."""
    platform, workspace = scene.platform, scene.workspace
    has, _ = await scene.balance()
    ringing = TestCalls(SessionIds(b"a key for tests"), platform.clock)
    async with platform.database.transaction() as connection:
        await connection.execute(
            "INSERT INTO tariffs (id, direction, prefix, destination, per_minute_minor, effective_from)"
            " VALUES ($1, 'inbound', '', 'Anybody', $2, $3)",
            *(uuid7(), PER_MINUTE, scene.now),
        )
        account, cause = Account(workspace.id, "test"), Cause(EntryType.ADJUSTMENT, str(uuid7()))
        await platform.wallets.adjust(connection, account, cause, balance - has, "for the test")
        wish = RingNumber(from_="+254712345678", to=NUMBER)
        call = await ringing.ring(connection, scene.principal, wish)
    await scene.claim()
    answered = await scene.answer(call.id)
    assert answered is not None
    assert (answered.status, answered.rate_per_minute_minor) == ("answered", PER_MINUTE)
    return answered


async def test_an_inbound_call_with_a_price_is_charged_by_the_second(scene: Scene) -> None:
    call = await called(scene, balance=1_000)
    assert await scene.balance() == (1_000, 60)
    ended = await scene.end(call.id, after_s=30.5)
    assert (ended.billed_seconds, ended.cost_minor) == (31, 31)
    assert await scene.balance() == (969, 0)


async def test_its_hold_grows_as_far_as_the_wallet_reaches(scene: Scene) -> None:
    call = await called(scene, balance=100)
    assert (await scene.extend(call.id, 120)).seconds == 100
    ended = await scene.end(call.id, after_s=115)
    assert (ended.billed_seconds, ended.cost_minor) == (100, 100)
    assert await scene.balance() == (0, 0)


@pytest.mark.parametrize("balance", [0, -5])
async def test_it_is_taken_when_there_is_no_money_and_then_costs_nothing(scene: Scene, balance: int) -> None:
    call = await called(scene, balance=balance)
    assert (await scene.extend(call.id, 120)).seconds == 0
    ended = await scene.end(call.id, after_s=30)
    assert (ended.status, ended.billed_seconds, ended.cost_minor) == ("completed", 0, 0)
    assert await scene.balance() == (balance, 0)
