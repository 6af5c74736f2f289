"""Registering at a trunk, and pinging one."""

import asyncio

import pytest

from sautikitd.clock import ManualClock
from sautikitd.voice.sip.digest import Credentials
from sautikitd.voice.sip.hops import Hop
from sautikitd.voice.sip.registration import Registration, RegistrationState, RegistrationStatus
from sautikitd.voice.sip.user_agent import UserAgent
from voice.sip.raw_peer import RawPeer

CHALLENGE = ("WWW-Authenticate", 'Digest realm="trunk", nonce="{}", algorithm=SHA-256, qop="auth"{}')


def registration(agent: UserAgent, peer: RawPeer, clock: ManualClock) -> Registration:
    return Registration(
        agent,
        registrar=f"sip:127.0.0.1:{peer.port}",
        hop=peer.hop,
        identity="sip:254709000001@trunk.example",
        credentials=Credentials("sautikit", "secret"),
        clock=clock,
    )


async def test_it_answers_the_challenge_refreshes_and_unregisters(agent: UserAgent, peer: RawPeer) -> None:
    clock = ManualClock()
    kept = registration(agent, peer, clock)
    kept.start()
    name, value = CHALLENGE
    first = await peer.request("REGISTER")
    peer.answer(first, 401, headers=[(name, value.format("n1", ""))])
    second = await peer.request("REGISTER")
    assert 'nonce="n1"' in second.header("Authorization")
    changed = asyncio.create_task(kept.changed())
    await asyncio.sleep(0)
    peer.answer(second, 200, headers=[("Contact", second.header("Contact") + ";expires=100")])
    assert (await changed) == RegistrationState(RegistrationStatus.REGISTERED, 200, "OK", 100)
    await asyncio.sleep(0)
    clock.advance(49)
    assert await peer.silence(0.05)
    clock.advance(42)
    third = await peer.request("REGISTER")
    assert "nc=00000002" in third.header("Authorization")
    peer.answer(third, 401, headers=[(name, value.format("n2", ", stale=true"))])
    fourth = await peer.request("REGISTER")
    assert 'nonce="n2"' in fourth.header("Authorization")
    assert [r.cseq for r in (first, second, third, fourth)] == [1, 2, 3, 4]
    changed = asyncio.create_task(kept.changed())
    await asyncio.sleep(0)
    peer.answer(fourth, 200, headers=[("Expires", "100")])
    await changed
    stopping = asyncio.create_task(kept.stop())
    last = await peer.request("REGISTER")
    assert last.header("Expires") == "0"
    peer.answer(last, 200)
    await stopping
    assert kept.state.status is RegistrationStatus.STOPPED


async def test_a_refusal_is_seen_and_tried_again_later(agent: UserAgent, peer: RawPeer) -> None:
    clock = ManualClock()
    kept = registration(agent, peer, clock)
    kept.start()
    changed = asyncio.create_task(kept.changed())
    peer.answer(await peer.request("REGISTER"), 403)
    state = await changed
    assert (state.status, state.code) == (RegistrationStatus.FAILED, 403)
    await asyncio.sleep(0)
    clock.advance(5)
    await peer.request("REGISTER")
    peer.close()
    await kept.stop()


async def test_a_ping_tells_status_and_round_trip(agent: UserAgent, peer: RawPeer) -> None:
    pinging = asyncio.create_task(agent.ping(peer.hop))
    peer.answer(await peer.request("OPTIONS"), 404)
    pong = await pinging
    assert pong is not None
    assert pong.code == 404
    assert 0 <= pong.seconds < 1


@pytest.mark.parametrize("host", ["no-such-trunk.invalid"])
async def test_a_ping_to_nowhere_is_none(agent: UserAgent, host: str) -> None:
    assert await agent.ping(Hop(host=host)) is None


async def test_a_new_nonce_without_stale_is_answered_once(agent: UserAgent, peer: RawPeer) -> None:
    clock = ManualClock()
    kept = registration(agent, peer, clock)
    kept.start()
    name, value = CHALLENGE
    for expires in ("n1", "n2"):
        changed = asyncio.create_task(kept.changed())
        peer.answer(await peer.request("REGISTER"), 401, headers=[(name, value.format(expires, ""))])
        peer.answer(await peer.request("REGISTER"), 200, headers=[("Expires", "60")])
        assert (await changed).status is RegistrationStatus.REGISTERED
        await asyncio.sleep(0)
        clock.advance(60)
    peer.close()
    await agent.stop()
    await kept.stop()
