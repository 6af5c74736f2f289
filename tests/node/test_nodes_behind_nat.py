"""Two voice nodes behind one NAT: far ends reach them at the address they advertise, they each other only inside."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from flow.doubles import callback_server
from node.exchange import PATIENCE_S
from node.nat_places import RTP, SIP, phone_at, platform_at
from node.room_party import until_seated
from node.second_node import second_node
from node.softphone import credential
from node.switchboard import NUMBER, Switchboard
from sautikitd.calls.outcomes import CallStatus
from sautikitd.identity.audit import OPERATOR
from sautikitd.trunks.models import NewTrunk
from system.baresip import Baresip
from system.sound import power_at, read_wav
from voice.nat import INTERNET, ROUTER_OUTSIDE, NatNetwork

FIRST, SECOND = 5060, 5062
TALK_S = 3.0
ROOM: list[object] = [{"conference": {"name": "board"}}]
FROM_TRUNK = "+254733000001"


@asynccontextmanager
async def _two_nodes(network: NatNetwork, database_url: str, folder: Path) -> AsyncIterator[Switchboard]:
    """The one at `FIRST` and the other at `SECOND`; they listen everywhere and are told of the router's address only."""
    for ports in (str(FIRST), str(SECOND), f"{RTP[0]}:{RTP[1] + 100}"):
        network.forward(ports)
    network.forward(str(SECOND), "tcp")
    settings = {"SAUTIKIT_SIP_ADVERTISE": ROUTER_OUTSIDE}
    async with platform_at(
        network, network.home, database_url, folder, SAUTIKIT_SIP=f"0.0.0.0:{FIRST}", **settings
    ) as board:
        with pytest.raises(ConnectionRefusedError):  # no way from inside to what is advertised
            await asyncio.open_connection(ROUTER_OUTSIDE, FIRST)
        more = {
            "SAUTIKIT_SIP": f"0.0.0.0:{SECOND}",
            "SAUTIKIT_RTP_PORTS": f"{RTP[0] + 100}-{RTP[1] + 100}",
            **settings,
        }
        async with second_node(board, folder / "second", **more) as (second, _):
            async with board.platform.database.transaction() as connection:
                trunk = NewTrunk(name="internet", host=INTERNET, port=SIP)
                await board.platform.trunks.add(connection, trunk, OPERATOR, board.clock.now())
            for parts in (board.parts, second):
                await parts.trunk_watch.refresh()
            yield board


def _hears(phone: Baresip, hertz: float) -> bool:
    """Whether that tone was most of what it heard in the last second of its call."""
    heard, rate = read_wav(phone.heard()[-1])
    return bool(power_at(heard[-rate:, 0], rate, hertz) > 0.8)


async def test_callers_of_both_hear_each_other_in_one_room(
    network: NatNetwork, database_url: str, tmp_path: Path
) -> None:
    places = network, network.internet, network.home, tmp_path, FROM_TRUNK, INTERNET
    async with (
        _two_nodes(network, database_url, tmp_path / "nodes") as board,
        callback_server(voice=[ROOM]) as server,
        phone_at(*places, tone=700) as one,
        phone_at(*places, tone=1200, sip=SIP + 10, control=4446) as other,
    ):
        await board.route(voice_callback_url=server.url("/voice"))
        await one.dial(f"sip:{NUMBER}@{ROUTER_OUTSIDE}:{FIRST}")
        await other.dial(f"sip:{NUMBER}@{ROUTER_OUTSIDE}:{SECOND}")
        await until_seated(board, 2)
        nodes = {call.node_id for call in await board.calls()}
        await asyncio.sleep(TALK_S)  # of real sound
        await one.hang_up()
        await other.hang_up()
        await board.until_all(CallStatus.COMPLETED)
        assert len(nodes) == 2
        assert _hears(one, 1200)
        assert _hears(other, 700)


async def test_a_phone_connected_to_one_takes_a_call_of_the_other_and_hangs_up(
    network: NatNetwork, database_url: str, tmp_path: Path
) -> None:
    places = network, network.internet, network.home, tmp_path
    async with _two_nodes(network, database_url, tmp_path / "nodes") as board:
        made = await credential(board)
        user = made.credential.username
        account = f'auth_pass={made.password};audio_codecs=PCMA;outbound="sip:{ROUTER_OUTSIDE}:{SECOND};transport=tcp"'
        async with (
            callback_server(voice=[[{"dial": {"client": user}}]]) as server,
            phone_at(*places, FROM_TRUNK, INTERNET, tone=700) as caller,
            phone_at(
                *(*places, user, INTERNET),
                account=account,
                domain=f"{ROUTER_OUTSIDE}:{SECOND}",
                registers=True,
                tone=1200,
                sip=SIP + 10,
                control=4446,
            ) as phone,
        ):
            await board.route(voice_callback_url=server.url("/voice"))
            assert await _transport_of_the_binding(board) == "tcp"
            await caller.dial(f"sip:{NUMBER}@{ROUTER_OUTSIDE}:{FIRST}")
            await phone.until("CALL_ESTABLISHED")
            await board.until_legs(CallStatus.ANSWERED)
            await asyncio.sleep(TALK_S)
            await phone.hang_up()
            await board.until_all(CallStatus.COMPLETED)
            await caller.until("CALL_CLOSED")
            assert _hears(caller, 1200)
            assert _hears(phone, 700)


async def _transport_of_the_binding(board: Switchboard) -> str:
    async with asyncio.timeout(PATIENCE_S), board.platform.database.connection() as connection:
        while not (found := await connection.fetchval("SELECT transport FROM sip_bindings")):
            await asyncio.sleep(0.05)
    return str(found)
