"""The readers of what comes from the network take anything; and what we write, they read."""

import struct

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from sautikitd.voice.media.g711 import LAW_INDEX, Codec, decode, encode
from sautikitd.voice.media.rtp.latch import Latch
from sautikitd.voice.media.rtp.packets import RtpPacket, build_rtp, parse_rtp
from sautikitd.voice.media.rtp.quality import mean_opinion_score
from sautikitd.voice.media.rtp.rtcp import Goodbye, Report, ReportBlock, Sender, build_report, parse_rtcp
from sautikitd.voice.media.rtp.telephone_event import EventReader
from voice.media.rtp_peer import LINEAR

WORD = st.integers(0, 0xFFFFFFFF)


@given(st.binary(max_size=200))
def test_any_datagram_is_an_rtp_packet_or_none(data: bytes) -> None:
    packet = parse_rtp(data)
    assert packet is None or len(packet.payload) <= len(data) - 12


@given(st.binary(min_size=11, max_size=80), st.integers(0, 63))
def test_any_version_two_packet_is_read_or_refused(rest: bytes, bits: int) -> None:
    packet = parse_rtp(bytes([0x80 | bits]) + rest)
    assert packet is None or packet.payload in rest


@given(st.booleans(), st.integers(0, 71), st.integers(0, 65535), WORD, WORD, st.binary(max_size=200))
def test_what_is_written_is_read(
    marker: bool, kind: int, sequence: int, time: int, ssrc: int, data: bytes
) -> None:
    packet = RtpPacket(marker, kind, sequence, time, ssrc, data)
    assert parse_rtp(build_rtp(packet)) == packet


@given(st.binary(max_size=300))
def test_any_rtcp_is_read_without_fault(data: bytes) -> None:
    parse_rtcp(data)


@given(st.sampled_from([200, 201, 202, 203]), st.integers(0, 31), st.binary(max_size=200))
def test_any_rtcp_body_is_read_without_fault(kind: int, count: int, body: bytes) -> None:
    body = body[: len(body) // 4 * 4]
    parse_rtcp(struct.pack("!BBH", 0x80 | count, kind, len(body) // 4) + body)


@given(WORD, st.integers(-(1 << 23), (1 << 23) - 1), st.integers(0, 255), st.booleans(), st.text(max_size=40))
def test_a_report_written_is_read(ssrc: int, lost: int, fraction: int, sends: bool, cname: str) -> None:
    block = ReportBlock(1, fraction, lost, 3, 4, 5, 6)
    report = Report(ssrc, Sender(1 << 40, 2, 3, 4) if sends else None, (block,))
    data = build_report(report, cname, goodbye=True)
    assert len(data) % 4 == 0
    assert parse_rtcp(data) == [report, Goodbye((ssrc,))]


@given(st.lists(st.tuples(WORD, st.binary(max_size=6)), max_size=60))
def test_any_events_are_read_without_fault(packets: list[tuple[int, bytes]]) -> None:
    reader = EventReader()
    presses = [press for time, payload in packets for press in reader.feed(time, payload, 0.0)]
    presses += reader.expire(10.0)
    assert len(presses) <= len(packets)
    assert not reader.down


@given(st.sampled_from(list(LAW_INDEX)), st.integers(-32768, 32767))
def test_companding_agrees_with_the_definition(codec: Codec, sample: int) -> None:
    codes = np.arange(256, dtype=np.uint8)
    assert np.array_equal(decode(codes, codec), LINEAR[codec.value])
    code = encode(np.array([sample], np.int16), codec)
    nearest = np.min(np.abs(LINEAR[codec.value] - sample))
    assert abs(int(decode(code, codec)[0]) - sample) == nearest


@given(st.lists(st.tuples(st.sampled_from(["a", "b", "c"]), st.integers(1, 2), st.floats(0, 5)), max_size=40))
def test_a_latch_takes_a_stranger_only_as_the_rule_says(packets: list[tuple[str, int, float]]) -> None:
    latch = Latch(("a", 1))
    for host, ssrc, silent in packets:
        before = latch.source
        accepted = latch.accepts((host, 1), ssrc, silent_s=silent)
        assert accepted == (latch.source == (host, 1))
        if before is not None and latch.source != before:
            assert host == "a" or silent >= 2


def test_the_score_falls_with_loss_buffering_and_delay() -> None:
    good = mean_opinion_score(loss_percent=0, buffer_ms=0, rtt_ms=None)
    assert 4.3 < good < 4.45
    assert mean_opinion_score(loss_percent=3, buffer_ms=0, rtt_ms=None) < good
    assert mean_opinion_score(loss_percent=0, buffer_ms=40, rtt_ms=None) < good
    assert mean_opinion_score(loss_percent=0, buffer_ms=0, rtt_ms=600) < 4
    assert mean_opinion_score(loss_percent=100, buffer_ms=900, rtt_ms=9000) == 1.0


@given(st.integers(-(2**40), 2**40), st.integers(-(2**40), 2**40), st.integers(-(2**40), 2**40))
def test_no_clock_or_count_out_of_range_keeps_a_report_from_being_written(
    lost: int, jitter: int, delay: int
) -> None:
    block = ReportBlock(1, 255, lost, 2, jitter, 3, delay)
    [report] = parse_rtcp(build_report(Report(7, None, (block,)), "node"))
    assert isinstance(report, Report)
    assert 0 <= report.blocks[0].delay <= 0xFFFFFFFF
