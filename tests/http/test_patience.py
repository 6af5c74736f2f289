import asyncio

import pytest

from sautikitd.http.patience import Patience


async def test_a_block_that_takes_too_long_ends_with_a_timeout() -> None:
    patience = Patience()
    loop = asyncio.get_running_loop()
    started = loop.time()
    with pytest.raises(TimeoutError), patience.at_most(0.1):
        await asyncio.Event().wait()
    assert loop.time() - started >= 0.1
    await asyncio.sleep(0)  # and the task is none the worse for it
    task = asyncio.current_task()
    assert task is not None
    assert task.cancelling() == 0


async def test_a_block_that_is_done_in_time_is_left_alone_though_its_task_lives_on() -> None:
    patience = Patience()
    with patience.at_most(0.01):
        pass
    await asyncio.sleep(0.7)


async def test_anothers_cancelling_stays_one() -> None:
    patience = Patience()

    async def wait() -> None:
        with patience.at_most(30):
            await asyncio.Event().wait()

    task = asyncio.create_task(wait())
    await asyncio.sleep(0)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task


async def test_of_two_the_one_that_is_due_ends() -> None:
    patience = Patience()

    async def wait(seconds: float) -> str:
        try:
            with patience.at_most(seconds):
                await asyncio.sleep(1.2)
        except TimeoutError:
            return "too long"
        return "done"

    short, long = await asyncio.gather(wait(0.1), wait(30))
    assert (short, long) == ("too long", "done")
