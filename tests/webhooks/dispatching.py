"""Dispatchers at work, for tests."""

import asyncio
from collections.abc import Awaitable, Callable

from sautikitd.webhooks.dispatcher import Dispatcher


class Running:
    """A dispatcher at work; `stopped` waits for its graceful end, `kill` leaves its leases behind."""

    def __init__(self, dispatcher: Dispatcher) -> None:
        self.dispatcher = dispatcher
        self.task = asyncio.create_task(dispatcher.run())

    async def stopped(self) -> None:
        self.dispatcher.stop()
        await self.task

    async def kill(self) -> None:
        self.task.cancel()
        await asyncio.gather(self.task, return_exceptions=True)


Dispatch = Callable[..., Awaitable[Running]]
"""Starts a dispatcher; takes `limits`, `grace_s`, `poll_s` and `allow_private`."""

Until = Callable[[Callable[[], Awaitable[bool]]], Awaitable[None]]
"""Waits for a condition of the database."""
