"""Reading what arrives: oddities of RFC 4475 taken, the rest refused without a crash."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sautikitd.voice.sip.address import MalformedAddress, NameAddr, SipUri, split_outside, with_tag
from sautikitd.voice.sip.hops import Source, Transport
from sautikitd.voice.sip.wire import (
    Arrival,
    MalformedMessage,
    arrival,
    read_message,
    stamp_via,
    write_message,
)

SOURCE = Source(Transport.UDP, "198.51.100.7", 5070)

# RFC 4475 §3.1.1.1, "a short tortuous INVITE": folding, odd case, compact and repeated headers, escapes.
TORTUOUS = (
    b"INVITE sip:vivekg@chair-dnrc.example.com;unknownparam SIP/2.0\r\n"
    b"TO :\r\n sip:vivekg@chair-dnrc.example.com ;   tag    = 1918181833n\r\n"
    b'from   : "J Rosenberg \\\\\\""       <sip:jdrosen@example.com>\r\n  ;\r\n  tag = 98asjd8\r\n'
    b"MaX-fOrWaRdS: 0068\r\nCall-ID: wsinv.ndaksdj@192.0.2.1\r\nContent-Length   : 150\r\n"
    b"cseq: 0009\r\n  INVITE\r\nVia  : SIP  /   2.0\r\n /UDP\r\n    192.0.2.2;branch=390skdjuw\r\n"
    b"s :\r\nNewFangledHeader:   newfangled value\r\n continued newfangled value\r\n"
    b"UnknownHeaderWithUnusualValue: ;;,,;;,;\r\nContent-Type: application/sdp\r\n"
    b"Route:\r\n <sip:services.example.com;lr;unknownwith=value;unknown-no-value>\r\n"
    b"v:  SIP  / 2.0  / TCP     spindle.example.com   ;\r\n"
    b"  branch  =   z9hG4bK9ikj8  ,\r\n SIP  /    2.0   / UDP  192.168.255.111   ; branch=\r\n z9hG4bK30239\r\n"
    b'm:"Quoted string \\"\\"" <sip:jdrosen@example.com> ; newparam =\r\n      newvalue ;\r\n'
    b"  secondparam ; q = 0.33\r\n\r\n" + b"x" * 150
)


def read(data: bytes) -> Arrival:
    return arrival(read_message(data), SOURCE)


def request(*lines: str, body: bytes = b"") -> bytes:
    head = [
        "OPTIONS sip:user@example.com SIP/2.0",
        "Via: SIP/2.0/UDP host.example.com;branch=z9hG4bKx",
        "From: <sip:a@example.com>;tag=1",
        "To: <sip:b@example.com>",
        "Call-ID: c",
        "CSeq: 1 OPTIONS",
    ]
    names = {line.partition(":")[0].lower() for line in lines}
    kept = [line for line in head if line.partition(":")[0].lower() not in names]
    return "\r\n".join([*kept, *lines]).encode() + b"\r\n\r\n" + body


def test_the_tortuous_invite_is_read() -> None:
    message = read(TORTUOUS)
    assert (message.cseq, message.method) == (9, "INVITE")
    assert (message.to.tag, message.from_.tag) == ("1918181833n", "98asjd8")
    assert message.from_.display == 'J Rosenberg \\"'
    assert (message.via.host, message.via.branch) == ("192.0.2.2", "390skdjuw")
    assert len(message.listed("Via")) == 3
    assert NameAddr.parse(message.listed("Contact")[0]).params["newparam"] == "newvalue"
    assert len(message.message.body) == 150


@pytest.mark.parametrize(
    "data",
    [
        request("CSeq: 9292394834772304023312 OPTIONS"),  # 3.1.2.4: scalars out of range
        request("Via: SIP/2.0/UDP host:99999999;branch=z9hG4bKx"),
        request("Content-Length: 9999"),  # 3.1.2.2: longer than what came
        request("Content-Length: -999"),  # 3.1.2.3
        request("Content-Length: 0", "Content-Length: 5"),
        request("From: <sip:a@b>;tag=1", "From: <sip:c@d>;tag=2"),  # 3.3.8: repeated
        request('To: "Unterminated <sip:b@example.com>'),  # 3.1.2.6: quote never closed
        request("Call-ID:"),
        b"OPTIONS  sip:a@b SIP/2.0\r\n\r\n",  # 3.1.2.8: spaces in the request line
        b"OPTIONS <sip:a@b> SIP/2.0\r\n\r\n",  # 3.1.2.7: brackets around the Request-URI
        b"OPTIONS sip:a@b SIP/7.0\r\n\r\n",  # 3.1.2.16: unknown version
        b"SIP/2.0 4294967301 Better not\r\n\r\n",  # 3.1.2.19: status code out of range
        b"INVITE sip:a@b SIP/2.0\r\nVia SIP\r\n\r\n",
        request("X: a\x00b"),
        request("X: \xff").replace(b"\xc3\xbf", b"\xff"),
        b"\r\n\r\n",
        b"",
    ],
)
def test_what_makes_no_sense_is_malformed(data: bytes) -> None:
    with pytest.raises(MalformedMessage):
        read(data)


def test_a_body_is_cut_to_its_length() -> None:
    assert read(request("Content-Length: 3", body=b"abcdef")).message.body == b"abc"


def test_a_message_is_written_as_it_was_read() -> None:
    again = read(write_message(read_message(TORTUOUS)))
    assert (again.call_id, again.listed("Via")) == (read(TORTUOUS).call_id, read(TORTUOUS).listed("Via"))


def test_the_via_is_stamped_with_the_true_source() -> None:
    message = read(request("Via: SIP/2.0/UDP 10.0.0.1:5060;rport;received=6.6.6.6;branch=z9hG4bKx"))
    stamp_via(message.request, message.via, SOURCE)
    via = message.message.headers.getlist("Via")[0]
    assert via == "SIP/2.0/UDP 10.0.0.1:5060;branch=z9hG4bKx;rport=5070;received=198.51.100.7"


@settings(deadline=None)
@given(st.binary(max_size=600))
def test_garbage_never_does_worse_than_malformed(data: bytes) -> None:
    try:
        read(data)
    except MalformedMessage:
        return


@settings(deadline=None)
@given(st.lists(st.tuples(st.integers(0, len(TORTUOUS) - 1), st.integers(0, 255)), min_size=1, max_size=12))
def test_a_damaged_message_never_does_worse_than_malformed(damage: list[tuple[int, int]]) -> None:
    data = bytearray(TORTUOUS)
    for place, value in damage:
        data[place] = value
    try:
        write_message(read(bytes(data)).message)
    except MalformedMessage:
        return


@settings(deadline=None)
@given(st.text(max_size=80))
def test_any_text_is_an_address_or_malformed(text: str) -> None:
    for parse in (NameAddr.parse, SipUri.parse):
        try:
            str(parse(text))
        except MalformedAddress:
            continue


@pytest.mark.parametrize(
    ("text", "user", "host", "port", "transport"),
    [
        ("sip:+254711000001@10.0.0.1;transport=UDP;ob", "+254711000001", "10.0.0.1", None, "udp"),
        ("SIP:a%40b:pw@under_score:5061;lr", "a@b", "under_score", 5061, None),
        ("sips:[2001:db8::1]:5061;Transport=Tcp", None, "[2001:db8::1]", 5061, "tcp"),
        ("sip:+1;phone-context=x@h", "+1;phone-context=x", "h", None, None),
        ("tel:+254-711", "+254-711", "", None, None),
    ],
)
def test_uris_are_read_and_kept_as_they_are(
    text: str, user: str | None, host: str, port: int | None, transport: str | None
) -> None:
    uri = SipUri.parse(text)
    assert (uri.user, uri.host, uri.port, uri.transport, str(uri)) == (user, host, port, transport, text)


def test_lists_split_outside_quotes_and_brackets() -> None:
    assert split_outside('"a, b" <sip:x,y@z>;p="1,2", <sip:q>', ",") == [
        '"a, b" <sip:x,y@z>;p="1,2"',
        "<sip:q>",
    ]


def test_a_tag_is_added_to_either_form() -> None:
    assert with_tag("<sip:a@b>;x=1", "t") == "<sip:a@b>;x=1;tag=t"
    assert with_tag("sip:a@b", "t") == "<sip:a@b>;tag=t"
