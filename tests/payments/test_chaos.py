"""Thousands of simulated payments with every fault, and workers killed all the while: each shilling ends in one place.

`SAUTIKIT_CHAOS_PAYMENTS` (default 200) and `SAUTIKIT_CHAOS_SEED` make it larger, and another.
"""

import os
import random
import sys
import time

import pytest

from payments.chaos import Chaos, Verdict, verdict_on
from payments.office import Office
from sautikitd.wallet.money import written

PAYMENTS = int(os.environ.get("SAUTIKIT_CHAOS_PAYMENTS", "200"))
SEED = int(os.environ.get("SAUTIKIT_CHAOS_SEED", "20261123"))


@pytest.mark.timeout(60 + PAYMENTS)
async def test_every_shilling_received_is_in_exactly_one_place(
    office: Office, capsys: pytest.CaptureFixture[str]
) -> None:
    chaos = Chaos(office, random.Random(SEED), PAYMENTS)
    started = time.perf_counter()
    await chaos.run()
    verdict = await verdict_on(chaos)
    with capsys.disabled():
        sys.stdout.write(report(chaos, verdict, time.perf_counter() - started))
    assert verdict.missing == set()
    assert verdict.invented == set()
    assert {receipt: amount for receipt, (amount, _) in verdict.found.items()} == verdict.received
    assert verdict.wallets + verdict.suspense + verdict.sent_back == sum(verdict.received.values())
    assert verdict.twice_pushed == 0
    assert office.simulator.api.pushes_heard <= chaos.done["pushes asked for"]
    assert verdict.unfinished == []
    assert verdict.without_receipt == []
    assert verdict.success_events == verdict.successes
    await office.require_right_books()


def report(chaos: Chaos, verdict: Verdict, seconds: float) -> str:
    faults = "\n".join(f"  {count:>7,}  {name}" for name, count in sorted(chaos.done.items()))
    total = sum(verdict.received.values())
    return (
        f"\nChaos of {PAYMENTS} payments, seed {SEED}, {seconds:.1f} s\n{faults}\n"
        f"  received  {written(total)} by {len(verdict.received)} receipts\n"
        f"  wallets   {written(verdict.wallets)}\n"
        f"  suspense  {written(verdict.suspense)}\n"
        f"  sent back {written(verdict.sent_back)}\n"
        f"  missing   {len(verdict.missing)}, twice {total - verdict.wallets - verdict.suspense - verdict.sent_back}, "
        f"invented {len(verdict.invented)}\n"
    )
