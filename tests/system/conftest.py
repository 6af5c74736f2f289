"""One installation for all tests of this folder; they run on one worker, one after the other.

Each module says `pytestmark = pytest.mark.asyncio(loop_scope="session")`: the installation lives in that loop.
"""

import asyncio
import shutil
import tempfile
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path

import pytest_asyncio

from ports import free_ports
from system.baresip import Baresip, sip_port
from system.installation import Customer, Installation
from system.receiver import Receiver

CALLEE = "+254712000555"

MakePhone = Callable[..., Awaitable[Baresip]]


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def installation() -> AsyncIterator[Installation]:
    folder = Path(tempfile.mkdtemp(prefix="sks-"))
    running = Installation(folder / "data")
    await running.start()
    try:
        yield running
    finally:
        assert await running.stop() == 0
        await asyncio.to_thread(shutil.rmtree, folder, ignore_errors=True)


@pytest_asyncio.fixture(loop_scope="session")
async def receiver() -> AsyncIterator[Receiver]:
    made = Receiver()
    await made.start()
    yield made
    await made.stop()


@pytest_asyncio.fixture(loop_scope="session")
async def make_phone(tmp_path: Path) -> AsyncIterator[MakePhone]:
    """Makes baresip phones; `make_phone(user, sip=PORT, tone=HZ)`."""
    phones: list[Baresip] = []

    async def make(user: str, *, sip: int, tone: int = 1000, answer: bool = True) -> Baresip:
        phone = Baresip(
            tmp_path / f"phone{len(phones)}", user, sip, free_ports(1)[0], tone=tone, answer=answer
        )
        phones.append(phone)
        await phone.start()
        return phone

    yield make
    for phone in phones:
        await phone.stop()


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def trunk_port(installation: Installation) -> int:
    """The port of the one trunk, on which each test puts its own far end."""
    port = sip_port()
    await installation.command(
        *("trunk", "add", "nairobi", "--host", "127.0.0.1", "--port", str(port), "--transport", "udp")
    )
    return port


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def live_customer(installation: Installation, trunk_port: int) -> Customer:
    """A live workspace with KES 1,000 and the numbers +254207000001 to 3."""
    listing = installation.data / "numbers.csv"
    rows = [f"+25420700000{last},local,Nairobi,10000" for last in range(1, 4)]
    listing.write_text("\n".join(["e164,type,locality,monthly_price_minor", *rows]) + "\n")
    await installation.command("inventory", "import", str(listing))
    customer = await installation.customer("Duka la Mtandao")
    for last in range(1, 4):
        await installation.number(customer, f"+25420700000{last}")
    return customer


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def test_customer(installation: Installation) -> Customer:
    """A workspace in test mode with the number +254200000001."""
    customer = await installation.customer("Jaribio", "test")
    await installation.number(customer, "+254200000001")
    return customer
