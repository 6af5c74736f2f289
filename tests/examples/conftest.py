"""One installation for all tests of this folder, in which every example is served as a customer serves it.

Each module says `pytestmark = pytest.mark.asyncio(loop_scope="session")`: the installation lives in that loop.
"""

from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path

import pytest
import pytest_asyncio
from aiohttp import web

from examples.served import Served
from system.conftest import (
    MakePhone,
    installation,
    live_customer,
    make_phone,
    test_customer,
    trunk_port,
)
from system.installation import Customer, Installation, free_ports
from voice_app import Sautikit, Settings

__all__ = ["MakePhone", "installation", "live_customer", "make_phone", "test_customer", "trunk_port"]

_FOLDER = Path(__file__).parent

Make = Callable[[Sautikit, Settings], web.Application]
Serve = Callable[..., Awaitable[Served]]


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        if _FOLDER in item.path.parents:
            item.add_marker(pytest.mark.xdist_group("system"))


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
