"""RTCP reports (RFC 3550 section 6.4): sender and receiver reports, SDES CNAME and BYE."""

import struct
from collections.abc import Iterator
from typing import NamedTuple

SENDER_REPORT, RECEIVER_REPORT, SOURCE_DESCRIPTION, GOODBYE = 200, 201, 202, 203
_NTP_EPOCH = 2_208_988_800  # seconds from 1900 to 1970
_SENDER = struct.Struct("!IQIII")
_BLOCK = struct.Struct("!IIIIII")


class ReportBlock(NamedTuple):
    """What a receiver says of one source. `jitter` in timestamp units; `fraction_lost` of 256."""

    ssrc: int
    fraction_lost: int
    lost: int
    highest_sequence: int
    jitter: int
    last_report: int  # middle 32 bits of the NTP time of the last sender report, 0: none
    delay: int  # since that report, in 1/65536 s


class Sender(NamedTuple):
    ntp: int  # 64 bit NTP time
    rtp_timestamp: int
    packets: int
    octets: int


class Report(NamedTuple):
    ssrc: int
    sender: Sender | None
    blocks: tuple[ReportBlock, ...]


class Goodbye(NamedTuple):
    ssrcs: tuple[int, ...]


def ntp_time(wall: float) -> int:
    """The 64 bit NTP time of a Unix time."""
    return int((wall + _NTP_EPOCH) * (1 << 32)) & 0xFFFFFFFFFFFFFFFF


def compact(ntp: int) -> int:
    """The middle 32 bits of an NTP time: units of 1/65536 s."""
    return (ntp >> 16) & 0xFFFFFFFF


def parse_rtcp(data: bytes) -> list[Report | Goodbye]:
    """The reports and goodbyes of a compound packet; what is malformed ends the reading, what is unknown is skipped."""
    found: list[Report | Goodbye] = []
    for kind, count, body in _packets(data):
        if kind == GOODBYE and len(body) >= 4 * count:
            found.append(Goodbye(struct.unpack_from(f"!{count}I", body)))
        elif kind in (SENDER_REPORT, RECEIVER_REPORT):
            report = _parse_report(kind, count, body)
            if report is None:
                break
            found.append(report)
    return found


def _packets(data: bytes) -> Iterator[tuple[int, int, bytes]]:
    start = 0
    while start + 4 <= len(data) and data[start] >> 6 == 2:
        size = 4 + 4 * int.from_bytes(data[start + 2 : start + 4], "big")
        if start + size > len(data):
            return
        yield data[start + 1], data[start] & 0x1F, data[start + 4 : start + size]
        start += size


def _parse_report(kind: int, count: int, body: bytes) -> Report | None:
    start = _SENDER.size if kind == SENDER_REPORT else 4
    if len(body) < start + count * _BLOCK.size:
        return None
    sender = Sender(*_SENDER.unpack_from(body)[1:]) if kind == SENDER_REPORT else None
    blocks = tuple(_parse_block(body, start + index * _BLOCK.size) for index in range(count))
    return Report(int.from_bytes(body[:4], "big"), sender, blocks)


def _parse_block(body: bytes, start: int) -> ReportBlock:
    ssrc, loss, highest, jitter, last_report, delay = _BLOCK.unpack_from(body, start)
    lost = loss & 0xFFFFFF
    return ReportBlock(
        ssrc, loss >> 24, lost - (1 << 24) if lost & 0x800000 else lost, highest, jitter, last_report, delay
    )


def build_report(report: Report, cname: str, *, goodbye: bool = False) -> bytes:
    """A compound packet: the report, SDES with the CNAME (required in each), and BYE when asked."""
    if report.sender is None:
        head = struct.pack("!I", report.ssrc)
    else:
        head = _SENDER.pack(report.ssrc, *report.sender)
    body = head + b"".join(_build_block(block) for block in report.blocks)
    kind = RECEIVER_REPORT if report.sender is None else SENDER_REPORT
    name = cname.encode()[:255]
    item = struct.pack("!IBB", report.ssrc, 1, len(name)) + name
    item += bytes(4 - len(item) % 4)  # at least one zero ends the list of items
    packets = _frame(kind, len(report.blocks), body) + _frame(SOURCE_DESCRIPTION, 1, item)
    if goodbye:
        packets += _frame(GOODBYE, 1, struct.pack("!I", report.ssrc))
    return packets


def _build_block(block: ReportBlock) -> bytes:
    lost = max(-(1 << 23), min(block.lost, (1 << 23) - 1)) & 0xFFFFFF
    return _BLOCK.pack(
        block.ssrc,
        (block.fraction_lost << 24) | lost,
        block.highest_sequence & 0xFFFFFFFF,
        _within(block.jitter),
        block.last_report,
        _within(block.delay),  # below zero when the report came in within this very tick
    )


def _within(value: int) -> int:
    """The nearest unsigned 32-bit number."""
    return max(0, min(value, 0xFFFFFFFF))


def _frame(kind: int, count: int, body: bytes) -> bytes:
    return struct.pack("!BBH", 0x80 | count, kind, len(body) // 4) + body
