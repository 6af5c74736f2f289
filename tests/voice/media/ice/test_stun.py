"""STUN as RFC 5769 writes it, whatever anybody else writes, and when a lite agent believes and follows."""

import os
import struct

from hypothesis import given
from hypothesis import strategies as st

from sautikitd.voice.media.ice.lite import CONSENT_S, IceLite
from sautikitd.voice.media.ice.stun import Attribute, Kind, build_stun, parse_stun, xor_address
from sautikitd.voice.media.terms import IceTerms

# RFC 5769 section 2.1: user evtj:h6vY, password VOkJxbRl1RmTxUk/WvJxBt.
SAMPLE = bytes.fromhex(
    "000100582112a442b7e7a701bc34d686fa87dfae802200105354554e207465737420636c69656e74"
    "002400046e0001ff80290008932ff9b151263b36000600096576746a3a68367659202020"
    "000800149aeaa70cbfd8cb56781ef2b5b2d3f249c1b571a280280004e57a3bcf"
)
SAMPLE_PASSWORD = "VOkJxbRl1RmTxUk/WvJxBt"
TERMS = IceTerms(local_ufrag="here", local_password="a-password-of-22-letters", remote_ufrag="there")
OFFICE, HOME = ("192.0.2.10", 5000), ("198.51.100.7", 6000)


def check(*, use: bool = True, priority: int = 1000, extra: tuple[tuple[int, bytes], ...] = ()) -> bytes:
    attributes: list[tuple[int, bytes]] = [
        (Attribute.USERNAME, b"here:there"),
        (Attribute.PRIORITY, struct.pack("!I", priority)),
        *extra,
    ]
    if use:
        attributes.append((Attribute.USE_CANDIDATE, b""))
    return build_stun(Kind.BINDING_REQUEST, os.urandom(12), tuple(attributes), TERMS.local_password)


def test_the_sample_request_of_the_rfc_is_read_and_believed() -> None:
    message = parse_stun(SAMPLE)
    assert message is not None
    assert message.get(Attribute.USERNAME) == b"evtj:h6vY"
    assert message.has_integrity(SAMPLE_PASSWORD)
    assert not message.has_integrity("another")
    assert message.fingerprinted


def test_the_sample_addresses_of_the_rfc_are_written() -> None:
    transaction = bytes.fromhex("b7e7a701bc34d686fa87dfae")
    assert xor_address("192.0.2.1", 32853, transaction) == bytes.fromhex("0001a147e112a643")
    wide = xor_address("2001:db8:1234:5678:11:2233:4455:6677", 32853, transaction)
    assert wide == bytes.fromhex("0002a1470113a9faa5d3f179bc25f4b5bed2b9d9")


@given(st.integers(0, len(SAMPLE) - 1), st.integers(1, 255))
def test_a_sample_with_any_byte_changed_is_not_believed(place: int, change: int) -> None:
    spoilt = bytearray(SAMPLE)
    spoilt[place] ^= change
    message = parse_stun(bytes(spoilt))
    assert message is None or not (message.fingerprinted and message.has_integrity(SAMPLE_PASSWORD))


@given(st.binary(max_size=400), st.booleans())
def test_any_datagram_is_a_message_or_none(data: bytes, framed: bool) -> None:
    if framed:
        body = data[: len(data) // 4 * 4]
        data = struct.pack("!HHI", 1, len(body), 0x2112A442) + bytes(12) + body
    message = parse_stun(data)
    agent = IceLite(TERMS)
    agent.take(data, OFFICE, 0.0)
    assert message is None or not message.has_integrity(TERMS.local_password)
    assert agent.nominated is None


@given(st.lists(st.tuples(st.integers(0x8030, 0xFFFF), st.binary(max_size=40)), max_size=5))
def test_what_is_written_is_read(attributes: list[tuple[int, bytes]]) -> None:
    data = build_stun(Kind.BINDING_SUCCESS, bytes(12), tuple(attributes), "secret")
    message = parse_stun(data)
    assert message is not None
    assert message.attributes == tuple(attributes)
    assert message.has_integrity("secret")


def test_consent_lasts_half_a_minute_from_the_last_check() -> None:
    agent = IceLite(TERMS)
    assert not agent.consents(0.0)
    agent.take(check(), OFFICE, 0.0)
    agent.take(check(use=False), OFFICE, 20.0)
    assert agent.consents(20.0 + CONSENT_S - 0.1)
    assert not agent.consents(20.0 + CONSENT_S)


def test_of_several_nominated_ways_the_one_of_highest_priority_is_taken() -> None:
    agent = IceLite(TERMS)
    agent.take(check(priority=2000), OFFICE, 0.0)
    agent.take(check(priority=1000), HOME, 0.1)
    assert agent.nominated == OFFICE
    agent.take(check(priority=3000), HOME, 0.2)
    assert agent.nominated == HOME


def test_a_way_that_has_gone_quiet_gives_way() -> None:
    agent = IceLite(TERMS)
    agent.take(check(priority=2000), OFFICE, 0.0)
    agent.take(check(priority=1000), HOME, 9.0)
    assert agent.nominated == HOME


def test_a_check_without_nomination_proves_an_address_and_moves_nothing() -> None:
    agent = IceLite(TERMS)
    answer = parse_stun(agent.take(check(use=False), HOME, 0.0) or b"")
    assert answer is not None
    assert answer.kind == Kind.BINDING_SUCCESS
    assert agent.proven(HOME)
    assert not agent.proven(OFFICE)
    assert agent.nominated is None


def test_an_attribute_that_must_be_understood_and_is_not_is_named() -> None:
    answer = parse_stun(IceLite(TERMS).take(check(extra=((0x7777, b"1234"),)), OFFICE, 0.0) or b"")
    assert answer is not None
    assert answer.kind == Kind.BINDING_ERROR
    assert answer.get(Attribute.UNKNOWN_ATTRIBUTES) == b"\x77\x77"
