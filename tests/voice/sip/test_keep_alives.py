"""Ways that are kept open: empty datagrams to a trunk, pings on connections."""

import asyncio

from sautikitd.clock import ManualClock
from sautikitd.voice.sip.connections import PING, PONG, ConnectionPool
from sautikitd.voice.sip.hops import Hop, Transport
from sautikitd.voice.sip.registration import Registration
from sautikitd.voice.sip.user_agent import UserAgent
from voice.sip.raw_peer import RawPeer


async def test_a_registered_trunk_hears_from_us_every_25_seconds(agent: UserAgent, peer: RawPeer) -> None:
    clock = ManualClock()
    kept = Registration(
        agent,
        registrar=f"sip:127.0.0.1:{peer.port}",
        hop=peer.hop,
        identity="sip:254709000001@trunk.example",
        credentials=None,
        clock=clock,
    )
    kept.start()
    register = await peer.request("REGISTER")
    changed = asyncio.create_task(kept.changed())
    await asyncio.sleep(0)
    peer.answer(register, 200, headers=[("Expires", "600")])
    await changed
    for _ in range(2):
        await asyncio.sleep(0)
        clock.advance(25)
        async with asyncio.timeout(1):
            assert await peer.pings.get() == PING
    stopping = asyncio.create_task(kept.stop())
    peer.answer(await peer.request("REGISTER"), 200)
    await stopping


async def connected(answers: int) -> tuple[list[bytes], bool]:
    """What a far end hears of a connection that pings every 50 ms, until it is closed, for it answers only so
    many pings; and whether the pool told that it was lost."""
    heard: list[bytes] = []
    closed, lost = asyncio.Event(), asyncio.Event()

    async def listen(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while data := await reader.read(100):
            heard.append(data)
            if len(heard) <= answers:
                writer.write(PONG)
            if not answers and len(heard) == 3:
                break
        writer.close()
        closed.set()

    server = await asyncio.start_server(listen, "127.0.0.1", 0)
    pool = ConnectionPool(lambda _data, _source: None, Transport.TCP, lambda _: lost.set(), ping_seconds=0.05)
    async with server:
        await pool.connect(("127.0.0.1", server.sockets[0].getsockname()[1]))
        async with asyncio.timeout(3):
            await closed.wait()
            await lost.wait()
        await pool.close()
    return heard, len(pool) == 0


async def test_a_far_end_that_stops_answering_pings_loses_its_connection() -> None:
    heard, gone = await connected(answers=2)
    assert (heard, gone) == ([PING] * 3, True)


async def test_a_far_end_that_never_answers_pings_keeps_its_connection() -> None:
    heard, _ = await connected(answers=0)
    assert heard == [PING] * 3


async def test_a_name_that_leads_nowhere_is_no_failure(agent: UserAgent) -> None:
    await agent.keep_alive(Hop(host="no-such-trunk.invalid"))
