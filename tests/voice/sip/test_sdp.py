"""Offers and answers: what carriers and phones write, and what we make of it."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sautikitd.voice.sip import sdp
from sautikitd.voice.sip.sdp import Codec, Direction
from sautikitd.voice.sip.sdp_errors import MalformedSdp, NoAudioStream, NoCommonCodec, SdpError

PHONE = b"""v=0\r
o=- 3844 3845 IN IP4 10.1.1.1\r
s=call\r
c=IN IP4 10.1.1.1\r
t=0 0\r
a=sendonly\r
m=video 5000 RTP/AVP 96\r
a=rtpmap:96 H264/90000\r
m=audio 5002/2 RTP/AVP 18 8 0 96 13 97\r
c=IN IP4 10.1.1.2\r
a=rtpmap:96 telephone-event/8000\r
a=fmtp:96 0-16\r
a=rtpmap:97 opus/48000/2\r
a=ptime:30\r
a=rtcp:5999 IN IP4 10.1.1.3\r
a=crypto:1 x\r
"""


def test_a_phones_offer_is_read() -> None:
    read = sdp.parse(PHONE)
    assert (read.address, read.port, read.ptime) == ("10.1.1.2", 5002, 30)
    assert (read.rtcp_port, read.rtcp_address) == (5999, "10.1.1.3")
    assert read.direction is Direction.SENDONLY
    assert read.on_hold
    assert [(c.payload, c.name) for c in read.codecs] == [
        (18, "G729"),
        (8, "PCMA"),
        (0, "PCMU"),
        (96, "telephone-event"),
        (13, "CN"),
        (97, "OPUS"),
    ]
    assert read.telephone_event == Codec(96, "telephone-event", 8000, "0-16")
    assert read.attributes == ()
    assert read.transport.crypto == ()  # a line that cannot be read


def test_the_answer_keeps_one_codec_its_payload_numbers_and_every_stream_in_place() -> None:
    made = sdp.answer(sdp.parse(PHONE), "192.0.2.1", 40_000, session_id=5)
    text = made.encode().decode()
    assert text.index("m=video 0 RTP/AVP 96") < text.index("m=audio 40000 RTP/AVP 8 96")
    assert made.direction is Direction.RECVONLY
    again = sdp.parse(made.encode())
    assert again.codecs == made.codecs
    assert again.audio == Codec(8, "PCMA")


def test_our_offer_reads_back_as_it_was() -> None:
    made = sdp.offer("2001:db8::1", 40_000, session_id=9)
    assert sdp.parse(made.encode()) == made


@pytest.mark.parametrize(
    ("theirs", "ours", "met"),
    [
        (Direction.SENDRECV, Direction.SENDRECV, Direction.SENDRECV),
        (Direction.SENDONLY, Direction.SENDRECV, Direction.RECVONLY),
        (Direction.RECVONLY, Direction.SENDRECV, Direction.SENDONLY),
        (Direction.SENDONLY, Direction.SENDONLY, Direction.INACTIVE),
        (Direction.INACTIVE, Direction.SENDRECV, Direction.INACTIVE),
    ],
)
def test_directions_meet(theirs: Direction, ours: Direction, met: Direction) -> None:
    offered = sdp.offer("192.0.2.1", 4000, session_id=1, direction=theirs)
    assert sdp.answer(offered, "192.0.2.2", 5000, session_id=2, direction=ours).direction is met


def test_the_old_hold_by_address_is_hold() -> None:
    assert sdp.parse(b"v=0\r\nc=IN IP4 0.0.0.0\r\nm=audio 9 RTP/AVP 0\r\n").on_hold


def test_no_common_codec_is_said() -> None:
    with pytest.raises(NoCommonCodec):
        sdp.answer(
            sdp.parse(b"v=0\r\nc=IN IP4 192.0.2.1\r\nm=audio 9 RTP/AVP 18 101\r\n"), "x", 1, session_id=1
        )


@pytest.mark.parametrize(
    ("data", "error"),
    [
        (b"", MalformedSdp),
        (b"hello", MalformedSdp),
        (b"v=0\r\nm=audio 99999 RTP/AVP 0\r\n", MalformedSdp),
        (b"v=0\r\nm=audio 9 RTP/AVP 0\r\n", MalformedSdp),
        (b"v=0\r\nc=IN IP4 192.0.2.1\r\nm=audio 9 RTP/AVP 300\r\n", MalformedSdp),
        (b"v=0\r\nc=IN IP4 192.0.2.1\r\nm=audio 9 RTP/SAVP 0\r\n", NoAudioStream),
        (b"v=0\r\nc=IN IP4 192.0.2.1\r\nm=video 9 RTP/AVP 0\r\n", NoAudioStream),
        (b"v=0\r\n" + b"a=x\r\n" * 9000, MalformedSdp),
    ],
)
def test_what_cannot_be_used_is_a_typed_error(data: bytes, error: type[Exception]) -> None:
    with pytest.raises(error):
        sdp.parse(data)


@settings(deadline=None)
@given(st.lists(st.tuples(st.integers(0, len(PHONE) - 1), st.integers(0, 255)), max_size=20))
def test_damage_never_does_worse_than_an_sdp_error(damage: list[tuple[int, int]]) -> None:
    data = bytearray(PHONE)
    for place, value in damage:
        data[place] = value
    try:
        sdp.answer(sdp.parse(bytes(data)), "192.0.2.1", 4000, session_id=1).encode()
    except SdpError:
        return


def test_bare_line_feeds_are_taken() -> None:
    assert sdp.parse(PHONE.replace(b"\r\n", b"\n")) == sdp.parse(PHONE)
