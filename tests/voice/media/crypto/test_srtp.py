"""Keys from the SDP: both sides are heard, and nobody else is."""

import os

import pytest
from pylibsrtp import Policy

from sautikitd.voice.media.crypto.suites import Suite
from sautikitd.voice.media.protocol import RemoteMedia, Tone
from sautikitd.voice.media.terms import SrtpTerms
from voice.media.call import Call, Calls
from voice.media.rtp_peer import level, sine
from voice.media.secure_peer import SecurePeer, session

pytestmark = pytest.mark.asyncio(loop_scope="module")

PROFILES = {
    Suite.SHA1_80: Policy.SRTP_PROFILE_AES128_CM_SHA1_80,
    Suite.SHA1_32: Policy.SRTP_PROFILE_AES128_CM_SHA1_32,
}


def terms(suite: Suite = Suite.SHA1_80) -> SrtpTerms:
    return SrtpTerms(
        local_suite=suite, local_key=os.urandom(30), remote_suite=suite, remote_key=os.urandom(30)
    )


async def secured(calls: Calls, keys: SrtpTerms) -> tuple[Call, SecurePeer]:
    profile = PROFILES[keys.local_suite]
    peer = SecurePeer(
        sealer=session(keys.remote_key, inbound=False, profile=profile),
        opener=session(keys.local_key, inbound=True, profile=profile),
    )
    return await calls.meet(peer, srtp=keys, dtmf_payload_type=101), peer


async def hears_us(call: Call, peer: SecurePeer, hertz: float) -> bool:
    """Says something, and tells whether a tone of ours is heard meanwhile."""
    await call.media.play(call.leg_id, f"p{hertz}", [Tone(frequencies=(hertz,), duration_ms=400)])
    await peer.say(sine(hertz, 0.4))
    return level(peer.recent(0.3), hertz) > 8000


@pytest.mark.parametrize("suite", list(Suite))
async def test_both_sides_understand_each_other(calls: Calls, suite: Suite) -> None:
    call, peer = await secured(calls, terms(suite))
    assert await hears_us(call, peer, 700)
    stats = await call.counted(20)
    assert (stats.packets_received, stats.rejected, peer.unreadable) == (20, 0, 0)


async def test_what_is_forged_replayed_or_plain_is_dropped_and_counted(calls: Calls) -> None:
    call, peer = await secured(calls, terms())
    await peer.say(sine(700, 0.2))
    for sealed in peer.sent[:3]:
        peer.rtp.sendto(sealed, peer.to)
    peer.rtp.sendto(peer.sent[-1][:-1] + b"\x00", peer.to)
    peer.rtp.sendto(peer.datagram(bytes(160)), peer.to)
    await peer.say(sine(700, 0.1))
    stats = await call.counted(15)
    assert (stats.packets_received, stats.rejected) == (15, 5)


async def test_a_stranger_without_the_key_does_not_turn_the_sound_to_himself(calls: Calls) -> None:
    call, peer = await secured(calls, terms())
    await peer.say(sine(700, 0.1))
    stranger = calls.peer()
    stranger.to = peer.to
    await stranger.say(sine(700, 0.2))
    count = len(peer.packets)
    await call.until(lambda: len(peer.packets) > count + 5)
    assert stranger.packets == []


async def test_new_keys_take_over_in_mid_call(calls: Calls) -> None:
    call, peer = await secured(calls, terms())
    assert await hears_us(call, peer, 700)
    await call.counted(20)
    fresh = terms()
    await calls.media.configure_leg(call.leg_id, replaced(call.remote, fresh))
    peer.sealer = session(fresh.remote_key, inbound=False)
    peer.opener = session(fresh.local_key, inbound=True)
    assert await hears_us(call, peer, 1100)
    old = peer.sent[0]
    peer.rtp.sendto(old, peer.to)
    await peer.say(sine(700, 0.1))
    assert (await call.counted(45)).rejected == 1


async def test_the_same_keys_again_disturb_nothing(calls: Calls) -> None:
    keys = terms()
    call, peer = await secured(calls, keys)
    assert await hears_us(call, peer, 700)
    await calls.media.configure_leg(call.leg_id, replaced(call.remote, keys))
    assert await hears_us(call, peer, 1100)
    assert (await calls.media.stats(call.leg_id)).rejected == 0


async def test_keys_are_in_no_text_that_a_log_might_get(calls: Calls) -> None:
    keys = terms()
    text = repr(RemoteMedia(address="127.0.0.1", rtp_port=9, srtp=keys))
    assert repr(keys.local_key) not in text
    assert repr(keys.remote_key) not in text


def replaced(remote: RemoteMedia, keys: SrtpTerms) -> RemoteMedia:
    return RemoteMedia(
        address=remote.address, rtp_port=remote.rtp_port, rtcp_port=remote.rtcp_port, srtp=keys
    )
