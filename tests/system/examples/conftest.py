"""The examples, served as a customer serves them, on the installation of the system tests."""

from collections.abc import AsyncIterator, Awaitable, Callable

import pytest_asyncio
from aiohttp import web

from ports import free_ports
from system.examples.served import Served
from system.installation import Customer, Installation
from voice_app import Sautikit, Settings

Make = Callable[[Sautikit, Settings], web.Application]
Serve = Callable[..., Awaitable[Served]]


@pytest_asyncio.fixture(loop_scope="session")
async def serve(installation: Installation) -> AsyncIterator[Serve]:
    """Serves what a `make` of an example makes: `await serve(make, customer, number)`."""
    runners: list[web.AppRunner] = []

    async def start(make: Make, customer: Customer, number: str) -> Served:
        (port,) = free_ports(1)
        settings = Settings(installation.url, customer.key, number, port, f"http://127.0.0.1:{port}")
        api = Sautikit(installation.url, customer.key, [customer.secret])
        runner = web.AppRunner(make(api, settings), shutdown_timeout=0.1)
        await runner.setup()
        runners.append(runner)
        await web.TCPSite(runner, "127.0.0.1", port).start()
        number_id = await api.answer_with(number, f"{settings.public_url}/voice")
        return Served(settings.public_url, api, number, number_id)

    yield start
    for runner in runners:
        await runner.cleanup()
