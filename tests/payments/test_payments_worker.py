"""The worker's loops: woken, or by themselves; and when questions are asked."""

import asyncio
from datetime import UTC, datetime, timedelta

from payments.office import Office
from sautikitd.payments.ladder import next_check

PUSHED = datetime(2026, 11, 23, 9, tzinfo=UTC)


async def test_a_woken_worker_pushes_and_takes_the_callback(office: Office) -> None:
    running = asyncio.create_task(office.parts.worker.run())
    topup_id = (await office.ask()).json()["topup_id"]
    async with asyncio.timeout(10):
        while (await office.read(topup_id))["status"] == "pending":
            office.parts.worker.wake()
            await asyncio.sleep(0.01)
    running.cancel()
    await asyncio.gather(running, return_exceptions=True)
    assert (await office.read(topup_id))["status"] == "succeeded"
    assert office.mpesa.registration is not None


async def test_a_push_whose_sender_died_is_never_sent_again(office: Office) -> None:
    topup_id = (await office.ask()).json()["topup_id"]
    await office.value("UPDATE topups SET push_state = 'sending', pushed_at = $1", office.clock.now())
    await office.later(minutes=2)
    assert await office.value("SELECT push_state FROM topups") == "unknown"
    assert office.simulator.api.pushes_heard == 0
    assert (await office.read(topup_id))["status"] == "pending"


async def test_a_push_that_waited_too_long_is_not_sent(office: Office) -> None:
    topup_id = (await office.ask()).json()["topup_id"]
    await office.later(minutes=6)
    assert (await office.read(topup_id))["failure_code"] == "topup.provider_unavailable"
    assert office.simulator.api.pushes_heard == 0


def test_questions_come_ever_more_rarely_and_end_after_two_days() -> None:
    asked, at = [], PUSHED
    while (then := next_check(PUSHED, at)) is not None:
        asked.append((then - PUSHED) // timedelta(seconds=1))
        at = then
    assert asked[:9] == [25, 45, 75, 120, 300, 900, 1800, 3600, 7200]
    assert (len(asked), asked[-1]) == (55, 48 * 3600)
