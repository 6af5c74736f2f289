"""A platform and independent phones at places of a network with a NAT."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

from node.switchboard import Switchboard, switchboard
from system.baresip import Baresip
from voice.nat import NatNetwork

SIP, CONTROL, RTP = 5070, 4444, (20_000, 20_099)


@asynccontextmanager
async def platform_at(
    network: NatNetwork, place: str, database_url: str, folder: Path, **environment: str
) -> AsyncIterator[Switchboard]:
    with network.entered(place):
        async with switchboard(
            database_url,
            folder,
            funds=10_000,
            SAUTIKIT_RTP_PORTS=f"{RTP[0]}-{RTP[1]}",
            **environment,
        ) as board:
            yield board


@asynccontextmanager
async def phone_at(
    network: NatNetwork,
    place: str,
    back: str,
    folder: Path,
    user: str,
    address: str,
    *,
    sip: int = SIP,
    control: int = CONTROL,
    **more: object,
) -> AsyncIterator[Baresip]:
    """A baresip in another namespace than the rest of the test, which is in `back`."""
    phone = Baresip(folder / f"phone{control}", user, sip, control, address=address, **more)  # type: ignore[arg-type]
    with network.entered(place):
        await phone.start()
    try:
        yield phone
    finally:
        with network.entered(back):
            await phone.stop()
