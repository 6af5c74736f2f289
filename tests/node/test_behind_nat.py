"""Calls through a real NAT, the kernel's: a phone at home behind one, and the platform itself behind one."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

from flow.doubles import callback_server
from node.exchange import PATIENCE_S, hears_tone
from node.nat_places import RTP, SIP, phone_at, platform_at
from node.softphone import credential
from node.switchboard import NUMBER, Switchboard
from sautikitd.calls.outcomes import CallStatus
from sautikitd.devices.models import NewSecret
from sautikitd.identity.audit import OPERATOR
from sautikitd.trunks.models import NewTrunk
from system.baresip import Baresip
from system.sound import power_at, read_wav
from voice.media.rtp_peer import sine
from voice.nat import HOME, INTERNET, ROUTER_OUTSIDE, NatNetwork


async def _until_registered(board: Switchboard) -> tuple[str, int, str]:
    async with asyncio.timeout(PATIENCE_S), board.platform.database.connection() as connection:
        while not (row := await connection.fetchrow("SELECT host, port, contact FROM sip_bindings")):
            await asyncio.sleep(0.05)
    return row["host"], row["port"], row["contact"]


@asynccontextmanager
async def _home_office(
    network: NatNetwork, board: Switchboard, made: NewSecret, folder: Path
) -> AsyncIterator[Baresip]:
    """A phone at home that has registered with the platform in the Internet."""
    account = f"auth_pass={made.password};audio_codecs=PCMA"
    async with phone_at(
        *(network, network.home, network.internet, folder, made.credential.username, HOME),
        account=account,
        domain=f"{INTERNET}:5060",
        registers=True,
    ) as phone:
        host, port, contact = await _until_registered(board)
        assert (host, port >= 40_000, HOME in contact) == (ROUTER_OUTSIDE, True, True)
        yield phone


async def test_a_phone_behind_a_nat_rings_and_both_are_heard_as_long_as_we_keep_its_way_open(
    network: NatNetwork, database_url: str, tmp_path: Path
) -> None:
    network.forget_after(4)
    async with platform_at(
        network, network.internet, database_url, tmp_path, SAUTIKIT_SIP=f"{INTERNET}:5060"
    ) as board:
        made = await credential(board)
        flow: list[object] = [{"dial": {"client": made.credential.username, "timeout": 5}}]
        keeping = asyncio.create_task(board.parts.devices.registrar.keep_alive(board.parts.agent))
        async with (
            callback_server(voice=[flow]) as server,
            _home_office(network, board, made, tmp_path) as phone,
        ):
            await board.route(voice_callback_url=server.url("/voice"))
            for _ in range(8):  # eight seconds, which only our packets bridge
                await asyncio.sleep(1)
                board.clock.advance(25)
            caller = await board.exchange.call(NUMBER)
            await caller.answered()
            await caller.peer.say(sine(440, 2.0))
            assert hears_tone(caller.peer, 1000)
            await caller.sip.bye()
            await phone.until("CALL_CLOSED")  # our BYE went through, to where the phone was heard from
            heard, rate = read_wav(phone.heard()[-1])
            assert power_at(heard[:, 0], rate, 440) > 0.8
            await board.until_legs(CallStatus.COMPLETED)
        keeping.cancel()
        await asyncio.gather(keeping, return_exceptions=True)


async def test_without_that_the_router_forgets_the_phone(
    network: NatNetwork, database_url: str, tmp_path: Path
) -> None:
    network.forget_after(2)
    async with platform_at(
        network, network.internet, database_url, tmp_path, SAUTIKIT_SIP=f"{INTERNET}:5060"
    ) as board:
        made = await credential(board)
        async with (
            callback_server(voice=[[{"dial": {"client": made.credential.username, "timeout": 2}}]]) as server,
            _home_office(network, board, made, tmp_path) as phone,
        ):
            await board.route(voice_callback_url=server.url("/voice"))
            await asyncio.sleep(4)  # the kernel's clock
            caller = await board.exchange.call(NUMBER)
            await board.until_legs(CallStatus.RINGING)
            await asyncio.sleep(1)
            assert not any(event.get("type") == "CALL_INCOMING" for event in phone.events)
            await caller.sip.hang_up()
            await board.until_legs(CallStatus.CANCELED)


async def test_the_platform_behind_a_nat_is_called_at_the_address_and_ports_that_it_advertises(
    network: NatNetwork, database_url: str, tmp_path: Path
) -> None:
    for ports in ("5060", f"{RTP[0]}:{RTP[1]}"):
        network.forward(ports)
    settings = {"SAUTIKIT_SIP": f"{HOME}:5060", "SAUTIKIT_SIP_ADVERTISE": ROUTER_OUTSIDE}
    async with platform_at(network, network.home, database_url, tmp_path, **settings) as board:
        async with board.platform.database.transaction() as connection:
            trunk = NewTrunk(name="internet", host=INTERNET, port=SIP)
            await board.platform.trunks.add(connection, trunk, OPERATOR, board.clock.now())
        await board.parts.trunk_watch.refresh()
        async with (
            callback_server(voice=[[{"play": {"tone": "dial"}}, {"pause": {"length": 60}}]]) as server,
            phone_at(network, network.internet, network.home, tmp_path, "+254733000001", INTERNET) as phone,
        ):
            await board.route(voice_callback_url=server.url("/voice"))
            await phone.dial(f"sip:{NUMBER}@{ROUTER_OUTSIDE}:5060")
            await phone.until("CALL_ESTABLISHED")
            (leg,) = (leg for running in board.parts.node._calls.values() for leg in running.legs)
            async with asyncio.timeout(PATIENCE_S):
                while (await leg.media.stats(str(leg.call_id))).packets_received < 50:
                    await asyncio.sleep(0.05)
            await phone.hang_up()
            await board.until_all(CallStatus.COMPLETED)
            heard, rate = read_wav(phone.heard()[-1])
            assert power_at(heard[:, 0], rate, 425) > 0.8
