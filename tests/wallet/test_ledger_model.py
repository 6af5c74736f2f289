"""Random lives of one wallet against a model of a dozen lines: same answers, same balances, clean books."""

from collections.abc import Sequence
from math import ceil
from typing import NamedTuple

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from sautikitd.clock import ManualClock
from sautikitd.database.pool import Connection, Database
from sautikitd.wallet.audit import audit
from sautikitd.wallet.errors import CostAboveHold, InsufficientFunds, NoHold
from sautikitd.wallet.models import Bill, Cause, Details, EntryType
from wallet.scenery import CALL, Money, add_workspace

RATE = 300
AMOUNTS = st.integers(1, 2_000)
CAUSES = st.integers(0, 3)


class Step(NamedTuple):
    verb: str
    cause: int
    amount: int


STEPS = st.builds(
    Step,
    st.sampled_from(["credit", "take", "hold", "resize", "extend", "settle", "settle_both"]),
    CAUSES,
    AMOUNTS,
)


class Model:
    """What ought to happen. Each verb returns what the wallet should answer."""

    def __init__(self) -> None:
        self.balance = 0
        self.open: dict[int, int] = {}
        self.closed: dict[int, int] = {}

    @property
    def available(self) -> int:
        return self.balance - sum(self.open.values())

    def play(self, step: Step) -> object:
        return getattr(self, step.verb)(step.cause, step.amount)

    def credit(self, cause: int, amount: int) -> object:
        self.balance += amount
        return self.balance

    def take(self, cause: int, amount: int) -> object:
        self.balance -= amount
        return self.balance

    def hold(self, cause: int, amount: int) -> object:
        if cause in self.closed:
            return "closed"
        if cause not in self.open:
            if self.available < amount:
                return InsufficientFunds
            self.open[cause] = amount
        return self.open[cause]

    def resize(self, cause: int, amount: int) -> object:
        if cause not in self.open:
            return NoHold
        if amount > self.open[cause] and self.available < amount - self.open[cause]:
            return InsufficientFunds
        self.open[cause] = amount
        return amount

    def extend(self, cause: int, amount: int) -> object:
        if cause not in self.open:
            return NoHold
        reachable = self.open[cause] + max(self.available, 0)
        seconds = max(s for s in range(amount + 1) if ceil(s * RATE / 60) <= reachable)
        self.open[cause] = max(self.open[cause], ceil(seconds * RATE / 60))
        return self.open[cause]

    def settle(self, cause: int, amount: int) -> object:
        if cause in self.closed:
            return self.closed[cause]
        if cause not in self.open:
            return NoHold
        if amount > self.open[cause]:
            return CostAboveHold
        del self.open[cause]
        self.balance -= amount
        self.closed[cause] = amount
        return amount

    def settle_both(self, cause: int, amount: int) -> object:
        """This one to `amount` and the next one for nothing; those that cannot be are left alone."""
        return {
            one: self.settle(one, cost)
            for one, cost in ((cause, amount), (cause + 1, 0))
            if one in self.open and cost <= self.open[one]
        }


async def play(money: Money, connection: Connection, number: int, step: Step) -> object:
    cause = Cause(EntryType.CALL, f"{money.live.workspace_id}/{step.cause}")
    wallets, new = money.wallets, f"{money.live.workspace_id}/step {number}"
    try:
        match step.verb:
            case "credit":
                entry = await wallets.credit(
                    connection,
                    money.live,
                    Cause(EntryType.TOP_UP, new),
                    step.amount,
                    Details(description="In"),
                )
                return entry.balance_after_minor
            case "take":
                cause = Cause(EntryType.ADJUSTMENT, new)
                return (
                    await wallets.adjust(connection, money.live, cause, -step.amount, "Out")
                ).balance_after_minor
            case "hold":
                hold = await wallets.hold(connection, money.live, cause, step.amount)
                return hold.amount_minor if hold.state == "open" else "closed"
            case "resize":
                return (await wallets.resize_hold(connection, cause, step.amount)).amount_minor
            case "extend":
                return (await wallets.extend_hold(connection, cause, step.amount, RATE)).hold.amount_minor
            case "settle":
                paid = await wallets.settle(connection, cause, step.amount, CALL)
                return -paid.amount_minor if paid else 0
            case _:
                causes = {f"{money.live.workspace_id}/{one}": one for one in (step.cause, step.cause + 1)}
                bills = [
                    Bill(cause_id=id_, cost_minor=step.amount if one == step.cause else 0, details=CALL)
                    for id_, one in causes.items()
                ]
                settled = await wallets.settle_many(connection, EntryType.CALL, bills)
                return {causes[id_]: -paid.amount_minor if paid else 0 for id_, paid in settled.items()}
    except (InsufficientFunds, NoHold, CostAboveHold) as refused:
        return type(refused)


@settings(
    max_examples=60,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
@given(steps=st.lists(STEPS, max_size=30))
async def test_a_wallet_does_what_its_model_does(database: Database, steps: Sequence[Step]) -> None:
    money = Money(database, await add_workspace(database, "Duka"), ManualClock())
    model = Model()
    async with database.transaction() as connection:
        await money.wallets.open_wallets(connection, money.live.workspace_id)
        for number, step in enumerate(steps):
            assert await play(money, connection, number, step) == model.play(step), step
            balance = await money.wallets.balance(connection, money.live)
            assert (balance.balance_minor, balance.available_minor) == (model.balance, model.available)
        for cause in range(4):
            await play(money, connection, 0, Step("release", cause, 0))
    async with database.connection() as connection:
        assert await audit(connection) == []
