import asyncio
from pathlib import Path

import pytest
import pytest_asyncio

from system.baresip import sip_port
from system.conftest import MakePhone
from system.installation import Customer, Installation
from system.receiver import Receiver
from system.verbs.stage import Stage


@pytest.fixture
def stage(
    installation: Installation,
    live_customer: Customer,
    trunk_port: int,
    receiver: Receiver,
    make_phone: MakePhone,
    tmp_path: Path,
) -> Stage:
    return Stage(installation, live_customer, receiver, make_phone, trunk_port, tmp_path)


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def second_trunk_port(installation: Installation, trunk_port: int) -> int:
    """The port of a second trunk, which takes +254713…, once the voice node knows it."""
    port = sip_port()
    await installation.command(
        *("trunk", "add", "second", "--host", "127.0.0.1", "--port", str(port), "--transport", "udp"),
        *("--prefix", "254713", "--no-ping"),  # its phone is not there yet
    )
    async with asyncio.timeout(30):
        while (await installation.command("trunk", "show", "second"))["trunk"]["state"] != "ok":
            await asyncio.sleep(0.2)
    return port
