"""A leg as a browser sees it: ICE-lite, DTLS and SRTP on one port."""

import asyncio
import struct

import pytest

from sautikitd.voice.media.protocol import DigitReceived, MediaUnsecured, Tone
from sautikitd.voice.media.terms import DtlsRole, DtlsTerms, IceTerms
from voice.media.call import Call, Calls
from voice.media.rtp_peer import level, sine
from voice.media.secure_peer import BrowserPeer

pytestmark = pytest.mark.asyncio(loop_scope="module")

US, PASSWORD = "here", "a-password-of-22-letters"


async def browser(calls: Calls, *, fingerprint: str | None = None) -> tuple[Call, BrowserPeer]:
    peer = BrowserPeer()
    call = await calls.meet(
        peer,
        mux=True,
        dtmf_payload_type=101,
        dtls=DtlsTerms(role=DtlsRole.SERVER, fingerprints=(("sha-256", fingerprint or peer.fingerprint),)),
        ice=IceTerms(local_ufrag=US, local_password=PASSWORD, remote_ufrag=peer.ufrag),
    )
    return call, peer


def error_of(answer: bytes) -> int | None:
    """The code of a STUN error."""
    kind, _ = struct.unpack("!HH", answer[:4])
    if kind != 0x0111:
        return None
    assert answer[20:22] == b"\x00\x09"
    return answer[26] * 100 + answer[27]


async def connected(calls: Calls) -> tuple[Call, BrowserPeer]:
    call, peer = await browser(calls)
    peer.check(US, PASSWORD)
    await call.until(lambda: len(peer.answers) == 1)
    peer.shake_hands()
    await call.until(lambda: peer.shook_hands)
    return call, peer


async def test_after_a_check_and_a_handshake_both_sides_are_heard(calls: Calls) -> None:
    call, peer = await connected(calls)
    await calls.media.play(call.leg_id, "p", [Tone(frequencies=(700.0,), duration_ms=2000)])
    await peer.say(sine(440, 0.4))
    assert level(peer.recent(0.3), 700) > 8000
    await peer.pace(peer.press("5"))
    assert (await call.event(DigitReceived)).digit == "5"
    stats = await call.counted(28)
    assert (stats.packets_received, stats.rejected, peer.unreadable) == (28, 0, 0)


async def test_a_check_is_answered_with_the_address_it_came_from(calls: Calls) -> None:
    call, peer = await browser(calls)
    peer.check(US, PASSWORD)
    await call.until(lambda: len(peer.answers) == 1)
    answer = peer.answers[0]
    assert (answer[:2], answer[20:22]) == (b"\x01\x01", b"\x00\x20")
    port = struct.unpack("!H", answer[26:28])[0] ^ 0x2112
    address = bytes(a ^ b for a, b in zip(answer[28:32], b"\x21\x12\xa4\x42", strict=True))
    assert (port, address) == (peer.port, bytes([127, 0, 0, 1]))


@pytest.mark.parametrize(
    ("us", "password", "options", "code"),
    [
        (US, "another password of theirs", {}, 401),
        ("nobody", PASSWORD, {}, 401),
        (US, PASSWORD, {"controlled": True}, 487),
    ],
)
async def test_a_check_that_is_not_right_is_refused_and_nothing_is_sent(
    calls: Calls, us: str, password: str, options: dict[str, bool], code: int
) -> None:
    call, peer = await browser(calls)
    peer.check(us, password, **options)
    await call.until(lambda: len(peer.answers) == 1)
    assert error_of(peer.answers[0]) == code
    peer.shake_hands()
    peer.check(us, password, spoilt=True, **options)
    await asyncio.wait_for(calls.media.stats(call.leg_id), 2)
    assert not peer.shook_hands
    assert (await calls.media.stats(call.leg_id)).packets_sent == 0


async def test_a_certificate_that_the_sdp_did_not_name_is_told_of_and_gets_no_sound(calls: Calls) -> None:
    call, peer = await browser(calls, fingerprint=":".join(["AB"] * 32))
    peer.check(US, PASSWORD)
    await call.until(lambda: len(peer.answers) == 1)
    peer.shake_hands()
    assert "fingerprint" in (await call.event(MediaUnsecured)).reason
    assert (await calls.media.stats(call.leg_id)).packets_sent == 0


async def test_another_address_that_the_browser_nominates_is_followed(calls: Calls) -> None:
    call, peer = await connected(calls)
    await peer.say(sine(440, 0.1))
    moved = browser_at_another_port(calls, peer)
    moved.check(US, PASSWORD)
    await call.until(lambda: len(moved.packets) > 5)
    await moved.say(sine(440, 0.1))
    await call.counted(10)


def browser_at_another_port(calls: Calls, peer: BrowserPeer) -> BrowserPeer:
    """The same browser, its socket another: a laptop that went from the office's network to a phone's."""
    moved = BrowserPeer(ssrc=peer.ssrc, sequence=peer.sequence, timestamp=peer.timestamp, to=peer.to)
    moved.sealer, moved.opener = peer.sealer, peer.opener
    calls.keep(moved)
    return moved
