"""Every reader of what strangers send us, as a function of bytes: what it may raise is caught, what it may not is found.

Each also checks something of what it read, so that a reader that says nonsense fails as one that crashes does.
`SEEDS` are whole, good messages: a fuzzer gets deeper from there than from nothing.
"""

from collections.abc import Callable
from dataclasses import dataclass

from sautikitd.egress.reply import NotHttp, ReplyReader, TooLarge
from sautikitd.flow.document import Flow, FlowInvalid
from sautikitd.flow.reader import read_flow
from sautikitd.flow.xml.element import Dialect
from sautikitd.voice.media.ice.lite import IceLite
from sautikitd.voice.media.ice.stun import Kind, build_stun, parse_stun
from sautikitd.voice.media.rtp.packets import RtpPacket, build_rtp, parse_rtp
from sautikitd.voice.media.rtp.rtcp import parse_rtcp
from sautikitd.voice.media.rtp.telephone_event import EventReader
from sautikitd.voice.media.terms import IceTerms
from sautikitd.voice.sip.address import MalformedAddress, NameAddr, SipUri
from sautikitd.voice.sip.digest import read_challenges, read_digest
from sautikitd.voice.sip.framing import MAX_BODY, MAX_HEAD, BrokenStream, StreamFramer
from sautikitd.voice.sip.hops import Source, Transport
from sautikitd.voice.sip.info import read_info
from sautikitd.voice.sip.sdp import parse as parse_sdp
from sautikitd.voice.sip.sdp_errors import MalformedSdp, NoAudioStream
from sautikitd.voice.sip.wire import MalformedMessage, arrival, read_message, write_message


@dataclass(frozen=True)
class Reader:
    read: Callable[[bytes], None]
    seeds: tuple[bytes, ...]
    longest: int = 4096  # bytes of an input


_INVITE = (
    b"INVITE sip:+254205000001@10.0.0.1:5060;transport=udp SIP/2.0\r\n"
    b"Via: SIP/2.0/UDP 10.0.0.2:5060;branch=z9hG4bK776;rport;received=10.0.0.3\r\n"
    b'From: "Wanjiku \\"W\\"" <sip:+254712345678@10.0.0.2>;tag=1928\r\nTo: <sip:+254205000001@10.0.0.1>\r\n'
    b"Call-ID: a84b4c76e66710@pc33\r\nCSeq: 314159 INVITE\r\nContact: <sip:a@10.0.0.2:5060;ob>;+sip.instance=x\r\n"
    b"Record-Route: <sip:p1.test;lr>, <sip:p2.test;lr>\r\nMax-Forwards: 70\r\nContent-Type: application/sdp\r\n"
    b"Content-Length: 4\r\n\r\nv=0\n"
)
_REPLY = (
    b"SIP/2.0 401 Unauthorized\r\nv: SIP/2.0/TCP h.test;branch=z9hG4bK1\r\nf: <sip:a@h>;tag=1\r\nt: b <sip:b@h>;tag=2\r\n"
    b'i: x\r\nCSeq: 2 REGISTER\r\nWWW-Authenticate: Digest realm="r", nonce="n", qop="auth,auth-int",\r\n'
    b" algorithm=SHA-256, stale=TRUE\r\nl: 0\r\n\r\n"
)
_SDP = (
    b"v=0\r\no=- 1 2 IN IP4 10.0.0.2\r\ns=-\r\nc=IN IP4 10.0.0.2\r\nt=0 0\r\na=group:BUNDLE 0\r\n"
    b"m=audio 4000 UDP/TLS/RTP/SAVPF 111 9 0 8 101\r\na=rtpmap:111 opus/48000/2\r\na=fmtp:111 useinbandfec=1\r\n"
    b"a=rtpmap:101 telephone-event/8000\r\na=fmtp:101 0-16\r\na=ice-ufrag:abcd\r\na=ice-pwd:0123456789012345678901\r\n"
    b"a=fingerprint:sha-256 " + b":".join([b"AB"] * 32) + b"\r\na=setup:actpass\r\na=mid:0\r\na=rtcp-mux\r\n"
    b"a=candidate:1 1 udp 2130706431 10.0.0.2 4000 typ host\r\na=ptime:20\r\na=maxptime:60\r\na=sendrecv\r\n"
    b"a=crypto:1 AES_CM_128_HMAC_SHA1_80 inline:MDEyMzQ1Njc4OTAxMjM0NTY3ODkwMTIzNDU2Nzg5|2^20|1:4\r\n"
    b"a=rtcp:4001 IN IP4 10.0.0.2\r\nm=video 0 RTP/AVP 96\r\n"
)
_STUN = build_stun(
    Kind.BINDING_REQUEST,
    b"0" * 12,
    ((0x0006, b"abcd:efgh"), (0x0024, b"\0\0\0\1"), (0x0025, b"")),
    "password",
)
_JSON = (
    b'{"actions":[{"say":{"text":"Karibu","voice":"woman"}},{"getDigits":{"numDigits":1,"finishOnKey":"#","action":"/x",'
    b'"nested":[{"play":{"url":"https://a.test/x.wav","loop":2}}]}},{"dial":{"numbers":["+254712345678"],"record":true}},'
    b'{"conference":{"name":"room","beep":true}},{"stream":{"url":"wss://a.test/x"}},{"enqueue":{"name":"q"}}]}'
)
_TWIML = (
    b'<?xml version="1.0"?><Response><Gather numDigits="1" action="/x"><Say voice="alice" language="sw">Habari</Say></Gather>'
    b'<Dial callerId="+254205000001" timeout="20"><Number>+254712345678</Number><Conference>a</Conference></Dial>'
    b'<Connect><Stream url="wss://a.test"><Parameter name="a" value="b"/></Stream></Connect><Hangup/></Response>'
)
_CHUNKED = (
    b"HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\nHTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nX: 1\r\n 2\r\n\r\n"
    b"5;x=y\r\nhello\r\n0\r\nTrailer: 1\r\n\r\n"
)
_SOURCE = Source(Transport.UDP, "10.0.0.2", 5060)
_DIALECTS = (None, *Dialect)


def sip_message(data: bytes) -> None:
    try:
        message = read_message(data)
        came = arrival(message, _SOURCE)
    except MalformedMessage:
        return
    read_info(came)
    for name in ("Contact", "Route", "Record-Route", "P-Asserted-Identity", "Refer-To"):
        for value in came.listed(name):
            sip_address(value.encode())
    again = read_message(write_message(message))
    assert again.body == message.body
    assert again.headers.getlist("Call-ID") == message.headers.getlist("Call-ID")


def sip_address(data: bytes) -> None:
    text = data.decode("utf-8", "replace")
    try:
        address = NameAddr.parse(text)
    except MalformedAddress:
        return
    assert NameAddr.parse(str(address)).params == address.params
    try:
        SipUri.parse(address.uri)
    except MalformedAddress:
        return


def sip_stream(data: bytes) -> None:
    """Whatever pieces a stream comes in, the same messages come out, and what waits is bounded."""
    whole, pieces = StreamFramer(), StreamFramer()
    try:
        expected, _ = whole.feed(data)
    except BrokenStream:
        expected = None
    found: list[bytes] = []
    try:
        for at in range(0, len(data), 7):
            found += pieces.feed(data[at : at + 7])[0]
            assert len(pieces._buffer) <= MAX_HEAD + MAX_BODY + 11
    except BrokenStream:
        assert expected is None
        return
    assert expected is None or found == expected


def http_reply(data: bytes) -> None:
    """Whatever pieces a response comes in, it reads the same, and its body is bounded."""
    limit = 64
    assert _read_reply([data], limit) == _read_reply(
        [data[at : at + 3] for at in range(0, len(data), 3)], limit
    )


def _read_reply(pieces: list[bytes], limit: int) -> tuple[int, bytes] | None:
    """Status and body; None for what is no response, or not whole."""
    reader = ReplyReader("POST", body_bytes=limit, truncate=True)
    try:
        whole = any(reader.feed(piece) for piece in pieces) or reader.ended()
    except (NotHttp, TooLarge):
        return None
    assert len(reader.body) <= limit
    return (reader.status, reader.body) if whole else None


def digest(data: bytes) -> None:
    text = data.decode("utf-8", "replace")
    read_digest(text)
    for challenge in read_challenges([text], proxy=False):
        assert challenge.algorithm in ("MD5", "SHA-256")


def sdp(data: bytes) -> None:
    try:
        description = parse_sdp(data)
    except (MalformedSdp, NoAudioStream):
        return
    assert 0 <= description.port <= 65535


def rtp(data: bytes) -> None:
    packet = parse_rtp(data)
    if packet is None:
        return
    assert isinstance(packet, RtpPacket)
    assert len(packet.payload) <= len(data) - 12
    again = parse_rtp(build_rtp(packet))
    assert again is not None
    assert (again.sequence, again.timestamp, again.ssrc) == (packet.sequence, packet.timestamp, packet.ssrc)


def telephone_event(data: bytes) -> None:
    """Payloads of four bytes, at times and timestamps that come with them."""
    reader, now = EventReader(), 0.0
    for at in range(0, len(data) - 5, 6):
        now += data[at] / 100
        for press in reader.feed(data[at + 5] * 160, data[at + 1 : at + 5], now):
            assert press.duration_ms >= 0
        reader.expire(now)


def rtcp(data: bytes) -> None:
    for report in parse_rtcp(data):
        assert report is not None


def stun(data: bytes) -> None:
    parse_stun(data)
    lite = IceLite(IceTerms(local_ufrag="abcd", local_password="password", remote_ufrag="efgh"))
    answer = lite.take(data, ("10.0.0.2", 4000), 1.0)
    if answer is not None:
        assert parse_stun(answer) is not None


def json_flow(data: bytes) -> None:
    assert isinstance(read_flow(data, "application/json"), Flow | FlowInvalid)


def xml_flow(data: bytes) -> None:
    dialect = _DIALECTS[data[0] % len(_DIALECTS)] if data else None
    assert isinstance(read_flow(data[1:], "application/xml", dialect), Flow | FlowInvalid)


READERS = {
    "sip_message": Reader(sip_message, (_INVITE, _REPLY)),
    "sip_address": Reader(
        sip_address,
        (b'"A" <sip:+254712345678:pw@[::1]:5060;transport=tcp?X=y>;tag=1;q=0.5', b"tel:+254;x"),
        512,
    ),
    "sip_stream": Reader(sip_stream, (_INVITE + b"\r\n\r\n" + _INVITE, _REPLY)),
    "http_reply": Reader(
        http_reply, (_CHUNKED, b"HTTP/1.0 410 Gone\nContent-Length: 3\nContent-Encoding: gzip\n\nabc"), 1024
    ),
    "digest": Reader(
        digest,
        (b'Digest username="a", realm="r", nonce="n", uri="sip:x", response="0", qop=auth, nc=1',),
        1024,
    ),
    "sdp": Reader(sdp, (_SDP,)),
    "rtp": Reader(
        rtp, (b"\x80\x00\x00\x01" + b"\0" * 180, b"\x90\x80" + b"\0" * 10 + b"\xbe\xde\0\1" + b"\0" * 44), 512
    ),
    "telephone_event": Reader(telephone_event, (bytes([2, 1, 10, 0, 160, 0]) * 6,), 512),
    "rtcp": Reader(
        rtcp, (b"\x81\xc8\0\x0c" + b"\0" * 48 + b"\x81\xca\0\2\0\0\0\1\1\1a\0", b"\x81\xcb\0\1\0\0\0\1"), 1024
    ),
    "stun": Reader(stun, (_STUN,), 1024),
    "json_flow": Reader(json_flow, (_JSON,)),
    "xml_flow": Reader(xml_flow, (b"\1" + _TWIML, b"\2" + _TWIML)),
}
