"""A voice node with a customer, Chromium, and pages with softphones in them."""

from collections.abc import AsyncIterator, Awaitable, Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import msgspec
import pytest
import pytest_asyncio

from browser import chromium, turn
from browser.chromium import Chromium
from browser.softphone_page import HERE, Account, PagePhone, open_phone, served_pages
from node.softphone import credential
from node.switchboard import Switchboard, switchboard
from ports import free_port
from sautikitd.devices.addresses import DeviceAddresses
from system.sound import write_tone
from voice.sip.certificates import Authority

BROWSER_TONE = 1000
_MICROPHONE_RATE = 48_000


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    missing = None
    if chromium.installed() is None:
        missing = "Chromium is not installed (Debian: chromium)"
    elif not (HERE / "node_modules" / "jssip").exists():
        missing = "the softphone libraries are not installed: npm ci in tests/browser"
    for item in items:
        if missing and HERE in item.path.parents:
            item.add_marker(pytest.mark.skip(reason=missing))


@pytest.fixture
def turn_port() -> int:
    """Where the TURN server of the installation is, if a test runs one."""
    return free_port()


@pytest_asyncio.fixture(loop_scope="module")
async def board(database_url: str, tmp_path: Path, turn_port: int) -> AsyncIterator[Switchboard]:
    """A node that browsers reach by WSS, and a customer who has KES 100."""
    certificate = Authority(tmp_path).options("127.0.0.1")
    async with switchboard(
        database_url,
        tmp_path,
        funds=10_000,
        SAUTIKIT_SIP_WSS=f"127.0.0.1:{free_port()}",
        SAUTIKIT_SIP_CERTIFICATE=str(certificate.certificate),
        SAUTIKIT_SIP_KEY=str(certificate.key),
        SAUTIKIT_TURN_URLS=f"turn:127.0.0.1:{turn_port}?transport=udp",
        SAUTIKIT_TURN_SECRET=turn.SECRET,
    ) as made:
        yield made


def ice_servers(board: Switchboard) -> list[dict[str, Any]]:
    """What a token tells a browser of this installation."""
    addresses = DeviceAddresses.of(board.platform.settings)
    servers = addresses.ice_servers("browser", datetime.now(UTC) + timedelta(hours=1))
    told: list[dict[str, Any]] = msgspec.to_builtins(servers)
    return told


OpenPage = Callable[[str], Awaitable[PagePhone]]
OpenPhone = Callable[..., Awaitable[PagePhone]]


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def browser(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[OpenPage]:
    """One Chromium for all, whose microphone is a tone; each test opens pages of its own in it."""
    folder = tmp_path_factory.mktemp("chromium")
    microphone = folder / "tone.wav"
    write_tone(microphone, BROWSER_TONE, seconds=2, rate=_MICROPHONE_RATE)
    async with served_pages() as site, Chromium(folder, microphone) as running:
        yield lambda library: open_phone(running, site, library)


@pytest_asyncio.fixture(loop_scope="module")
async def open_registered(board: Switchboard, browser: OpenPage) -> AsyncIterator[OpenPhone]:
    """Opens a page with a softphone that is registered as a device of the customer's number."""
    opened: list[PagePhone] = []

    async def open_one(library: str, codec: str, *, relayed: bool = False) -> PagePhone:
        made = await credential(board)
        phone = await browser(library)
        opened.append(phone)
        settings = board.platform.settings
        await phone.register(
            Account(
                url=settings.sip_ws_url,
                user=made.credential.username,
                password=made.password,
                domain=settings.sip_domain,
                codec=codec,
                ice_servers=ice_servers(board) if relayed else [],
                relay_only=relayed,
            )
        )
        return phone

    yield open_one
    for phone in opened:
        await phone.close()
