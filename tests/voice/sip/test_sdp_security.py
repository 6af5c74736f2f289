"""Keys, certificates and ICE in descriptions: what is offered, what is answered, what it amounts to."""

import base64
import random
from contextlib import suppress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sautikitd.voice.media.crypto.suites import Suite
from sautikitd.voice.media.g711 import Codec
from sautikitd.voice.media.protocol import LocalMedia
from sautikitd.voice.media.terms import DtlsRole
from sautikitd.voice.media_encryption import MediaEncryption
from sautikitd.voice.negotiation import MediaProfile, agreed, codecs_of
from sautikitd.voice.sip import sdp
from sautikitd.voice.sip.reoffers import same_media_answer
from sautikitd.voice.sip.sdp_errors import NoAudioStream, NoCommonKeys, SdpError

NONE, OPTIONAL, SDES, DTLS = (
    MediaEncryption.NONE,
    MediaEncryption.OPTIONAL,
    MediaEncryption.SDES,
    MediaEncryption.DTLS,
)
LOCAL = LocalMedia(address="127.0.0.1", rtp_port=40_000, rtcp_port=40_001, fingerprint="AB:CD", ssrc=77)
KEY = base64.b64encode(bytes(range(30))).decode()
FINGERPRINT = ":".join(["0F"] * 32)
CHROME = f"""v=0\r
o=- 4611731400430051336 2 IN IP4 127.0.0.1\r
s=-\r
t=0 0\r
a=group:BUNDLE 0\r
a=extmap-allow-mixed\r
a=msid-semantic: WMS stream\r
m=audio 9 UDP/TLS/RTP/SAVPF 111 63 9 0 8 13 110 126\r
c=IN IP4 0.0.0.0\r
a=rtcp:9 IN IP4 0.0.0.0\r
a=ice-ufrag:Zk2v\r
a=ice-pwd:7aXqHlL1dSCNNxTgXxC0eMHv\r
a=ice-options:trickle\r
a=fingerprint:sha-256 {FINGERPRINT}\r
a=setup:actpass\r
a=mid:0\r
a=extmap:1 urn:ietf:params:rtp-hdrext:ssrc-audio-level\r
a=sendrecv\r
a=msid:stream track\r
a=rtcp-mux\r
a=rtcp-rsize\r
a=rtpmap:111 opus/48000/2\r
a=rtcp-fb:111 transport-cc\r
a=fmtp:111 minptime=10;useinbandfec=1\r
a=rtpmap:63 red/48000/2\r
a=fmtp:63 111/111\r
a=rtpmap:9 G722/8000\r
a=rtpmap:0 PCMU/8000\r
a=rtpmap:8 PCMA/8000\r
a=rtpmap:13 CN/8000\r
a=rtpmap:110 telephone-event/48000\r
a=rtpmap:126 telephone-event/8000\r
a=ssrc:1001 cname:x\r
a=candidate:1 1 udp 2122260223 1f5e7c3a.local 54321 typ host generation 0\r
""".encode()


def profile(
    encryption: MediaEncryption = NONE, codecs: tuple[str, ...] = ("opus", "PCMU", "PCMA")
) -> MediaProfile:
    return MediaProfile(
        addresses=("192.0.2.1", "2001:db8::1"), codecs=codecs_of(codecs), encryption=encryption
    )


def offering(media: str, *lines: str) -> sdp.Sdp:
    attributes = "".join(f"a={line}\r\n" for line in lines)
    return sdp.parse(f"v=0\r\nc=IN IP4 192.0.2.9\r\nm=audio 4000 {media}\r\n{attributes}".encode())


def crypto(tag: int, suite: str = Suite.SHA1_80, rest: str = "") -> str:
    return f"crypto:{tag} {suite} inline:{KEY}{rest}"


def test_a_browsers_offer_is_answered_with_all_it_needs() -> None:
    offered = sdp.parse(CHROME)
    ours = profile().answer(LOCAL, offered)
    text = ours.encode().decode()
    session, _, media = text.partition("m=audio")
    assert "a=ice-lite" in session
    assert "a=group:BUNDLE 0" in session
    assert media.startswith(" 40000 UDP/TLS/RTP/SAVPF 111 110\r\n")
    for line in (
        "a=rtpmap:111 opus/48000/2",
        "a=fmtp:111 useinbandfec=1;maxplaybackrate=8000;sprop-maxcapturerate=8000",
        "a=setup:passive",
        "a=fingerprint:sha-256 AB:CD",
        "a=mid:0",
        "a=rtcp-mux",
        "a=candidate:1 1 udp 2130706431 192.0.2.1 40000 typ host",
        "a=ssrc:77 cname:sautikit",
    ):
        assert f"{line}\r\n" in media
    assert "a=crypto" not in media
    remote = agreed(offered, sdp.parse(ours.encode()), we_answered=True)
    assert (remote.codec, remote.payload_type, remote.dtmf_payload_type, remote.dtmf_rate) == (
        *(Codec.OPUS, 111, 110, 48_000),
    )
    assert remote.dtls is not None
    assert remote.dtls.role is DtlsRole.SERVER
    assert remote.dtls.fingerprints == (("sha-256", FINGERPRINT),)
    assert remote.ice is not None
    assert remote.ice.remote_ufrag == "Zk2v"
    assert (remote.mux, remote.send, remote.srtp) == (True, True, None)


def test_our_offer_to_a_browser_is_ice_lite_with_our_certificate() -> None:
    ours = profile(DTLS).offer(LOCAL)
    assert ours.profile == "UDP/TLS/RTP/SAVPF"
    answer = sdp.parse(CHROME.replace(b"actpass", b"active"))
    remote = agreed(answer, ours, we_answered=False)
    assert remote.dtls is not None
    assert remote.dtls.role is DtlsRole.SERVER
    assert sdp.parse(ours.encode()) == ours


@pytest.mark.parametrize(
    ("theirs", "we_answered", "role"),
    [
        ("passive", True, DtlsRole.CLIENT),
        ("active", True, DtlsRole.SERVER),
        ("passive", False, DtlsRole.CLIENT),
    ],
)
def test_who_shakes_hands_first(theirs: str, we_answered: bool, role: DtlsRole) -> None:
    described = sdp.parse(CHROME.replace(b"setup:actpass", f"setup:{theirs}".encode()))
    ours = profile().answer(LOCAL, described) if we_answered else profile(DTLS).offer(LOCAL)
    dtls = agreed(described, ours, we_answered=we_answered).dtls
    assert dtls is not None
    assert dtls.role is role


@pytest.mark.parametrize("encryption", [NONE, OPTIONAL, SDES])
def test_an_offer_of_savp_is_answered_with_a_key_of_ours_under_its_tag(encryption: MediaEncryption) -> None:
    offered = offering("RTP/SAVP 0", crypto(7, "AEAD_AES_256_GCM"), crypto(8, Suite.SHA1_32), crypto(9))
    ours = profile(encryption).answer(LOCAL, offered)
    (line,) = ours.transport.crypto
    assert (ours.profile, line.tag, line.suite) == ("RTP/SAVP", 8, Suite.SHA1_32)
    srtp = agreed(offered, ours, we_answered=True).srtp
    assert srtp is not None
    assert (srtp.remote_key, srtp.local_key) == (bytes(range(30)), line.key)


@pytest.mark.parametrize(
    ("encryption", "lines", "secured"),
    [(NONE, 1, False), (OPTIONAL, 1, True), (OPTIONAL, 0, False), (SDES, 1, True)],
)
def test_keys_beside_a_plain_offer_are_taken_where_the_trunk_says_so(
    encryption: MediaEncryption, lines: int, secured: bool
) -> None:
    offered = offering("RTP/AVP 0", *[crypto(1)] * lines)
    ours = profile(encryption).answer(LOCAL, offered)
    assert ours.profile == "RTP/AVP"
    assert (agreed(offered, ours, we_answered=True).srtp is not None) is secured


def test_a_trunk_that_must_be_encrypted_takes_no_plain_offer() -> None:
    with pytest.raises(NoCommonKeys):
        profile(SDES).answer(LOCAL, offering("RTP/AVP 0"))


@pytest.mark.parametrize(("encryption", "fails"), [(SDES, True), (DTLS, True), (OPTIONAL, False)])
def test_an_answer_without_keys_is_enough_only_where_they_were_optional(
    encryption: MediaEncryption, fails: bool
) -> None:
    ours = profile(encryption).offer(LOCAL)
    answer = offering(f"{ours.profile if encryption is OPTIONAL else 'RTP/AVP'} 0")
    if fails:
        with pytest.raises(NoCommonKeys):
            agreed(answer, ours, we_answered=False)
    else:
        assert agreed(answer, ours, we_answered=False).srtp is None


def test_our_offer_has_a_key_for_each_suite_and_the_answer_picks_one() -> None:
    ours = profile(SDES).offer(LOCAL)
    assert ours.profile == "RTP/SAVP"
    srtp = agreed(offering("RTP/SAVP 0", crypto(2, Suite.SHA1_32)), ours, we_answered=False).srtp
    assert srtp is not None
    assert srtp.local_key == ours.transport.crypto[1].key
    with pytest.raises(NoCommonKeys):
        agreed(offering("RTP/SAVP 0", crypto(3)), ours, we_answered=False)


@pytest.mark.parametrize(
    "line",
    [
        crypto(1, rest="|2^20|1:4"),  # an MKI
        crypto(1, rest=" UNENCRYPTED_SRTP"),
        crypto(1, rest=" KDR=3"),
        "crypto:1 AES_CM_128_HMAC_SHA1_80 inline:c2hvcnQ=",
        "crypto:1 AES_CM_128_HMAC_SHA1_80 inline:????",
        "crypto:x",
    ],
)
def test_a_key_that_we_cannot_keep_is_as_none(line: str) -> None:
    with pytest.raises(NoAudioStream):
        offering("RTP/SAVP 0", line)


@pytest.mark.parametrize("rest", ["|2^20", "|1048576", " WSH=64", "|2^31 -extension"])
def test_parameters_that_change_nothing_for_us_are_passed_over(rest: str) -> None:
    assert offering("RTP/SAVP 0", crypto(1, rest=rest)).transport.crypto[0].key == bytes(range(30))


def test_a_reinvite_with_another_key_is_answered_with_ours_as_it_was() -> None:
    first = offering("RTP/SAVP 0", crypto(1))
    ours = profile().answer(LOCAL, first)
    fresh = base64.b64encode(bytes(range(30, 60))).decode()
    again = f"v=0\r\nc=IN IP4 192.0.2.9\r\nm=audio 4000 RTP/SAVP 0\r\na={crypto(4).replace(KEY, fresh)}\r\n"
    answer = sdp.parse(same_media_answer(again.encode(), ours.encode()))
    assert answer.transport.crypto[0].key == ours.transport.crypto[0].key
    srtp = agreed(sdp.parse(again.encode()), answer, we_answered=True).srtp
    assert srtp is not None
    assert srtp.remote_key == bytes(range(30, 60))


def test_a_browsers_reinvite_keeps_its_handshake_and_its_ice() -> None:
    offered = sdp.parse(CHROME)
    ours = profile().answer(LOCAL, offered)
    answer = sdp.parse(same_media_answer(CHROME, ours.encode()))
    assert answer.transport == ours.transport
    assert agreed(offered, answer, we_answered=True) == agreed(offered, ours, we_answered=True)


@given(st.randoms(use_true_random=False))
def test_a_mangled_offer_is_answered_or_refused(rng: random.Random) -> None:
    lines = CHROME.split(b"\r\n")
    for _ in range(rng.randint(1, 6)):
        place = rng.randrange(len(lines))
        line = bytearray(lines[place] or b"x")
        line[rng.randrange(len(line))] = rng.randrange(256)
        lines[place] = rng.choice([bytes(line), b"", lines[rng.randrange(len(lines))]])
    with suppress(SdpError):
        offered = sdp.parse(b"\r\n".join(lines))
        ours = profile().answer(LOCAL, offered)
        sdp.parse(ours.encode())
        agreed(offered, ours, we_answered=True)


def test_each_far_end_gets_an_address_of_its_own_family_and_a_browser_both() -> None:
    wide = sdp.parse(b"v=0\r\nc=IN IP6 2001:db8::9\r\nm=audio 4000 RTP/AVP 0\r\n")
    assert profile().answer(LOCAL, wide).address == "2001:db8::1"
    assert profile().answer(LOCAL, offering("RTP/AVP 0")).address == "192.0.2.1"
    candidates = profile(DTLS).offer(LOCAL).transport.candidates
    assert candidates == (("192.0.2.1", 40_000), ("2001:db8::1", 40_000))


def test_secrets_are_in_no_text_that_a_log_might_get() -> None:
    ours = profile(SDES).offer(LOCAL)
    assert repr(ours.transport.crypto[0].key) not in repr(ours)
    browser = profile(DTLS).offer(LOCAL)
    assert browser.transport.ice is not None
    assert browser.transport.ice.password not in repr(browser)


def test_the_length_of_packet_that_they_ask_for_is_told_to_the_media() -> None:
    for lines, milliseconds in ((("ptime:40",), 40), (("ptime:60", "maxptime:30"), 30), ((), 20)):
        offered = offering("RTP/AVP 0", *lines)
        ours = profile().answer(LOCAL, offered)
        assert agreed(offered, ours, we_answered=True).packet_ms == milliseconds
