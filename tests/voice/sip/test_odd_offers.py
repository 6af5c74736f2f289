"""Offers as carriers and phones write them, and what the media plane is told of each."""

import pytest

from sautikitd.voice import negotiation
from sautikitd.voice.media.g711 import Codec
from sautikitd.voice.media.protocol import RemoteMedia
from sautikitd.voice.sip import sdp
from sautikitd.voice.sip.reoffers import direction_of, renewed_offer, same_media_answer
from sautikitd.voice.sip.sdp import Direction

SESSION = ["v=0", "o=- 1 1 IN IP4 192.0.2.9", "s=-", "c=IN IP4 192.0.2.9", "t=0 0"]


def taken(*media: str, address: str = "192.0.2.9") -> tuple[RemoteMedia, sdp.Sdp]:
    """What we would send and answer to an offer with these lines behind the session's."""
    lines = [line.replace("192.0.2.9", address) for line in SESSION]
    theirs = sdp.parse("\r\n".join([*lines, *media, ""]).encode())
    ours = sdp.answer(theirs, "127.0.0.1", 40_000, session_id=1)
    return negotiation.agreed(theirs, ours, we_answered=True), ours


@pytest.mark.parametrize(
    ("formats", "maps", "codec", "payload", "dtmf"),
    [
        ("0 101", ["101 telephone-event/8000"], Codec.PCMU, 0, 101),
        ("8 96", ["96 telephone-event/8000"], Codec.PCMA, 8, 96),
        ("0 127", ["127 TELEPHONE-EVENT/8000"], Codec.PCMU, 0, 127),
        ("98 97", ["98 PCMA/8000", "97 telephone-event/8000"], Codec.PCMA, 98, 97),
        ("9 0 100 101", ["100 telephone-event/48000", "101 telephone-event/8000"], Codec.PCMU, 0, 101),
        ("0 100", ["100 telephone-event/16000"], Codec.PCMU, 0, None),
        ("13 0 8", [], Codec.PCMU, 0, None),
        ("18 4 3 8 13 19", ["4 G723/8000"], Codec.PCMA, 8, None),
        ("111 8 110", ["111 opus/48000/2", "110 telephone-event/8000"], Codec.PCMA, 8, 110),
        ("99 0", [], Codec.PCMU, 0, None),
    ],
)
def test_payload_numbers_are_taken_as_the_offer_has_them(
    formats: str, maps: list[str], codec: Codec, payload: int, dtmf: int | None
) -> None:
    remote, ours = taken(f"m=audio 4000 RTP/AVP {formats}", *(f"a=rtpmap:{line}" for line in maps))
    assert (remote.codec, remote.payload_type, remote.dtmf_payload_type) == (codec, payload, dtmf)
    assert [c.payload for c in ours.codecs] == [payload] if dtmf is None else [payload, dtmf]


@pytest.mark.parametrize(
    ("line", "sends", "receives", "answered"),
    [
        ("a=sendrecv", True, True, Direction.SENDRECV),
        ("a=sendonly", False, True, Direction.RECVONLY),
        ("a=recvonly", True, False, Direction.SENDONLY),
        ("a=inactive", False, False, Direction.INACTIVE),
    ],
)
def test_a_hold_is_heeded_both_ways(line: str, sends: bool, receives: bool, answered: Direction) -> None:
    remote, ours = taken("m=audio 4000 RTP/AVP 0", line)
    assert (remote.send, remote.receive, ours.direction) == (sends, receives, answered)


def test_the_old_hold_by_address_sends_nothing() -> None:
    remote, _ = taken("m=audio 4000 RTP/AVP 0", address="0.0.0.0")
    assert not remote.send
    held = sdp.offer("0.0.0.0", 4000, session_id=1).encode()
    assert direction_of(held) is Direction.INACTIVE


def test_a_hold_and_its_end_are_answered_with_growing_versions() -> None:
    ours = sdp.offer("127.0.0.1", 40_000, session_id=5, codecs=(sdp.PCMU, sdp.TELEPHONE_EVENT)).encode()
    hold = sdp.offer("192.0.2.9", 4000, session_id=1, direction=Direction.SENDONLY).encode()
    held = same_media_answer(hold, ours)
    back = same_media_answer(hold.replace(b"sendonly", b"sendrecv"), held)
    read = [sdp.parse(ours), sdp.parse(held), sdp.parse(back)]
    assert [r.direction for r in read] == [Direction.SENDRECV, Direction.RECVONLY, Direction.SENDRECV]
    assert [r.version for r in read] == [5, 6, 7]
    assert sdp.parse(renewed_offer(held) or b"").direction is Direction.SENDRECV
    assert renewed_offer(back) == back


@pytest.mark.parametrize("ptime", [10, 20, 30, 40])
def test_packet_times_are_taken_over(ptime: int) -> None:
    _, ours = taken("m=audio 4000 RTP/AVP 0", f"a=ptime:{ptime}", "a=maxptime:60")
    assert ours.ptime == ptime


@pytest.mark.parametrize("line", ["a=ptime:x", "a=ptime:0", "a=ptime:5000", "a=ptime", "a=maxptime:150"])
def test_packet_times_that_make_no_sense_are_ours(line: str) -> None:
    assert taken("m=audio 4000 RTP/AVP 0", line)[1].ptime == 20


def test_rtcp_goes_to_its_own_port_unless_another_is_named() -> None:
    assert taken("m=audio 4000 RTP/AVP 0")[0].rtcp_port is None
    assert taken("m=audio 4000 RTP/AVP 0", "a=rtcp:4999")[0].rtcp_port == 4999
    _, ours = taken("m=audio 4000 RTP/AVP 0", "a=rtcp-mux")
    assert b"rtcp-mux" not in ours.encode()


def test_of_many_streams_the_first_open_plain_audio_is_taken_and_the_others_are_refused_in_place() -> None:
    remote, ours = taken(
        "m=image 5000 udptl t38",
        "m=audio 5002 RTP/SAVP 0",
        "m=audio 0 RTP/AVP 8",
        "m=audio 5006 RTP/AVP 8",
        "m=video 5008 RTP/AVP 96",
        "m=audio 5010 RTP/AVP 0",
    )
    assert (remote.rtp_port, remote.codec) == (5006, Codec.PCMA)
    streams = [line for line in ours.encode().decode().split("\r\n") if line.startswith("m=")]
    assert [line.split()[:2] for line in streams] == [
        ["m=image", "0"],
        ["m=audio", "0"],
        ["m=audio", "0"],
        ["m=audio", "40000"],
        ["m=video", "0"],
        ["m=audio", "0"],
    ]


def test_an_ipv6_offer_is_taken() -> None:
    remote, _ = taken("m=audio 4000 RTP/AVP 0", "c=IN IP6 2001:db8::9")
    assert remote.address == "2001:db8::9"
