"""Draining the sockets: a fast path that reads a whole batch of packets with array operations, and a careful
path, packet by packet, for whatever is out of the ordinary (first packets, events, reordering, other lengths)."""

import select
import struct
import time
from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from sautikitd.voice.media import jitter
from sautikitd.voice.media.g711 import DECODE_BOTH, FRAME_SAMPLES, LAW_INDEX, SILENCE, Codec, encode
from sautikitd.voice.media.latch import SocketAddress
from sautikitd.voice.media.leg import Leg, wall_time
from sautikitd.voice.media.protocol import DigitReceived, Event, FirstPacket
from sautikitd.voice.media.rows import PACKET_SIZE, RING_BLOCKS, Rows
from sautikitd.voice.media.rtp import RtpPacket, parse_rtp
from sautikitd.voice.media.telephone_event import Press

_BUFFER = 2048
_ROUNDS = 8  # packets taken from one socket in one tick; the rest waits for the next
_ANCILLARY = 64
_FORWARD = 100  # a larger step of the sequence number is for the careful path
_MAX_DROPOUT = 3000  # RFC 3550 appendix A.1
_MAX_MISORDER = 100
_COMFORT_NOISE = 13  # RFC 3389
_LAW_OF_TYPE = {0: Codec.PCMU, 8: Codec.PCMA}
_STAMP = struct.Struct("@ll")

RtcpHandler = Callable[[Leg, bytes, SocketAddress], None]


class Receiver:
    def __init__(self, rows: Rows, emit: Callable[[Event], None], on_rtcp: RtcpHandler) -> None:
        self._rows = rows
        self._emit = emit
        self._on_rtcp = on_rtcp
        self._epoll = select.epoll()
        self._rtp: dict[int, Leg] = {}
        self._rtcp: dict[int, Leg] = {}
        self._buffer = np.zeros((rows.capacity, _BUFFER), np.uint8)
        self._words = self._buffer.view(">u4")
        self._shorts = self._buffer.view(">u2")
        self._views = [[memoryview(row.data)] for row in self._buffer]
        self._by_row: list[Leg | None] = [None] * rows.capacity

    def add(self, leg: Leg) -> None:
        self._rtp[leg.sockets.rtp.fileno()] = leg
        self._rtcp[leg.sockets.rtcp.fileno()] = leg
        self._by_row[leg.row] = leg
        for made in (leg.sockets.rtp, leg.sockets.rtcp):
            self._epoll.register(made.fileno(), select.EPOLLIN)

    def remove(self, leg: Leg) -> None:
        for made in (leg.sockets.rtp, leg.sockets.rtcp):
            self._epoll.unregister(made.fileno())
        del self._rtp[leg.sockets.rtp.fileno()]
        del self._rtcp[leg.sockets.rtcp.fileno()]
        self._by_row[leg.row] = None

    def close(self) -> None:
        self._epoll.close()

    def drain(self, now: float) -> None:
        """Takes what has arrived; `now` is monotonic. Each round takes one packet of each ready socket, so a row
        is at most once in a batch, and no system call is spent on finding a socket empty."""
        for _ in range(_ROUNDS):
            ready = self._epoll.poll(0, max(1, 2 * len(self._rtp)))
            if not ready:
                return
            self._round(ready, now)

    def _round(self, ready: list[tuple[int, int]], now: float) -> None:
        rows, sizes, stamps = [], [], []
        index = 0
        for descriptor, _ in ready:
            leg = self._rtp.get(descriptor)
            if leg is None:
                self._take_rtcp(descriptor)
                continue
            try:
                size, extra, _, address = leg.sockets.rtp.recvmsg_into(self._views[index], _ANCILLARY)
            except OSError:  # an ICMP error or a spurious wake-up: no packet
                continue
            stamp = extra[0][2] if extra else b""
            if leg.line is not None:
                size = leg.line.take(self._views[index][0], size, address, now)
                if not size:
                    continue
            if address == leg.source:
                rows.append(leg.row)
                sizes.append(size)
                stamps.append(stamp)
                index += 1
            else:
                self._careful(leg, bytes(self._views[index][0][:size]), address, _arrival(stamp), now)
        if rows:
            self._batch(np.array(rows), np.array(sizes), stamps, now)

    def _batch(
        self, row: NDArray[np.int64], sizes: NDArray[np.int64], stamps: list[bytes], now: float
    ) -> None:
        rows, count = self._rows, len(row)
        raw = self._buffer[:count]
        sequence = self._shorts[:count, 1].astype(np.int64)
        timestamp = self._words[:count, 1].astype(np.int64)
        step = (sequence - rows.in_highest[row]) & 0xFFFF
        block = jitter.block_of(rows, row, timestamp)
        depth = block - rows.playout[row]
        plain = (
            (sizes == PACKET_SIZE)
            & (raw[:, 0] == 0x80)
            & (raw[:, 1] == rows.in_type[row])
            & (self._words[:count, 2] == rows.in_ssrc[row])
            & rows.started[row]
            & (step >= 1)
            & (step <= _FORWARD)
            & (depth >= 0)
            & (depth < RING_BLOCKS - 4)
        )
        if plain.all():
            self._plain(row, step, timestamp, block, raw, _arrivals(stamps), now)
            return
        keep = np.flatnonzero(plain)
        if keep.size:
            arrivals = _arrivals([stamps[index] for index in keep])
            self._plain(row[keep], step[keep], timestamp[keep], block[keep], raw[keep], arrivals, now)
        for index in np.flatnonzero(~plain):
            leg = self._by_row[row[index]]
            if leg is not None and leg.source is not None:
                data = bytes(self._views[index][0][: sizes[index]])
                self._careful(leg, data, leg.source, _arrival(stamps[index]), now)

    def _plain(
        self,
        row: NDArray[np.int64],
        step: NDArray[np.int64],
        timestamp: NDArray[np.int64],
        block: NDArray[np.int64],
        raw: NDArray[np.uint8],
        arrival: NDArray[np.float64],
        now: float,
    ) -> None:
        rows = self._rows
        rows.in_highest[row] += step
        rows.in_stream[row] += 1
        rows.in_packets[row] += 1
        rows.in_bytes[row] += FRAME_SAMPLES
        rows.in_at[row] = now
        transit = arrival * 8000 - (rows.in_start[row] + ((timestamp - rows.in_start[row]) & 0xFFFFFFFF))
        change = np.abs(transit - rows.in_transit[row])
        change[~(change < 80000)] = 0  # the first packet of a stream, or a jump of its clock
        rows.in_transit[row] = transit
        rows.in_jitter[row] += (change - rows.in_jitter[row]) / 16  # RFC 3550 appendix A.8
        jitter.put_frames(rows, row, block, raw[:, PACKET_SIZE - FRAME_SAMPLES : PACKET_SIZE])

    def _careful(self, leg: Leg, data: bytes, address: SocketAddress, arrival: float, now: float) -> None:
        packet = parse_rtp(data)
        if packet is None or leg.latch is None or leg.remote is None:
            return
        sound = packet.payload_type != leg.remote.dtmf_payload_type
        if sound and leg.inlet is not None:
            packet = leg.inlet.on_our_clock(packet)
        if not leg.latch.accepts(address, packet.ssrc, silent_s=now - self._rows.in_at[leg.row]):
            return
        leg.follow_latch()
        if self._follow_stream(leg, packet):
            rows, row = self._rows, leg.row
            rows.in_stream[row] += 1
            rows.in_packets[row] += 1
            rows.in_bytes[row] += len(packet.payload)
            rows.in_at[row] = now
            if sound:
                _measure_jitter(rows, row, packet.timestamp, arrival)
            if not leg.first_received:
                leg.first_received = arrival
                self._emit(FirstPacket(leg_id=leg.leg_id, at=wall_time(arrival)))
            self._take_payload(leg, packet, now)

    def _follow_stream(self, leg: Leg, packet: RtpPacket) -> bool:
        """Moves the sequence on (RFC 3550 appendix A.1); False for a packet that does not count."""
        rows, row = self._rows, leg.row
        if rows.started[row] and packet.ssrc != rows.in_ssrc[row] and leg.rival_ssrc != packet.ssrc:
            leg.rival_ssrc = packet.ssrc  # one packet of another SSRC may be a stray, two are a new stream
            return False
        if not rows.started[row] or packet.ssrc != rows.in_ssrc[row]:
            self._start_stream(leg, packet)
            return True
        leg.rival_ssrc = None
        step = (packet.sequence - int(rows.in_highest[row])) & 0xFFFF
        if step == 0:
            return False
        if step < _MAX_DROPOUT:
            rows.in_highest[row] += step
        elif step < 0x10000 - _MAX_MISORDER:
            self._start_stream(leg, packet)
        return True

    def _start_stream(self, leg: Leg, packet: RtpPacket) -> None:
        rows, row = self._rows, leg.row
        if rows.started[row]:
            leg.lost_before += max(0, expected(rows, row) - int(rows.in_stream[row]))
            self._report(leg, leg.events.restart())
            if leg.inlet is not None:
                leg.inlet.restart()
        leg.rival_ssrc = None
        leg.control.expected_before = leg.control.received_before = 0
        rows.started[row] = True
        rows.in_ssrc[row] = packet.ssrc
        rows.in_first[row] = rows.in_highest[row] = packet.sequence
        rows.in_stream[row] = 0
        rows.in_transit[row] = np.nan
        jitter.anchor(rows, row, packet.timestamp)

    def _take_payload(self, leg: Leg, packet: RtpPacket, now: float) -> None:
        rows, row, remote = self._rows, leg.row, leg.remote
        if remote is None:
            return
        if packet.payload_type == remote.dtmf_payload_type:
            self._report(leg, leg.events.feed(packet.timestamp, packet.payload, now))
            return
        if leg.inlet is not None and packet.payload_type == remote.payload_type:
            leg.inlet.take(packet)
            return
        if packet.payload_type == _COMFORT_NOISE:
            quiet = np.full(FRAME_SAMPLES, SILENCE[leg.law], np.uint8)  # not a repetition of the last words
            jitter.put_payload(rows, row, packet.timestamp, packet.marker, quiet)
            return
        law = leg.law if packet.payload_type == remote.payload_type else _LAW_OF_TYPE.get(packet.payload_type)
        if law is None:
            return
        codes = np.frombuffer(packet.payload, np.uint8)
        if law is not leg.law:
            codes = encode(DECODE_BOTH[codes.astype(np.int64) + 256 * LAW_INDEX[law]], leg.law)
        jitter.put_payload(rows, row, packet.timestamp, packet.marker, codes)

    def _report(self, leg: Leg, presses: list[Press]) -> None:
        for press in presses:
            self._emit(
                DigitReceived(
                    leg_id=leg.leg_id,
                    digit=press.digit,
                    duration_ms=press.duration_ms,
                    at=wall_time(time.time()),
                )
            )

    def expire_digits(self, leg: Leg, now: float) -> None:
        """Counts a key whose end packets were all lost."""
        if leg.events.down:
            self._report(leg, leg.events.expire(now))

    def _take_rtcp(self, descriptor: int) -> None:
        leg = self._rtcp.get(descriptor)
        if leg is None:
            return
        try:
            data, address = leg.sockets.rtcp.recvfrom(_BUFFER)
        except OSError:
            return
        plain = data if leg.line is None else leg.line.open_control(data)
        if plain is not None:
            self._on_rtcp(leg, plain, address)


def expected(rows: Rows, row: int) -> int:
    """Packets the present stream should have had so far."""
    return int(rows.in_highest[row] - rows.in_first[row]) + 1 if rows.started[row] else 0


def _measure_jitter(rows: Rows, row: int, timestamp: int, arrival: float) -> None:
    """As `Receiver._plain` does for many rows."""
    transit = arrival * 8000 - (rows.in_start[row] + ((timestamp - int(rows.in_start[row])) & 0xFFFFFFFF))
    change = abs(transit - rows.in_transit[row])
    if change < 80000:
        rows.in_jitter[row] += (change - rows.in_jitter[row]) / 16
    rows.in_transit[row] = transit


def _arrival(stamp: bytes) -> float:
    if len(stamp) < _STAMP.size:
        return time.time()
    seconds, nanoseconds = _STAMP.unpack_from(stamp)
    arrival: float = seconds + nanoseconds * 1e-9
    return arrival


def _arrivals(stamps: list[bytes]) -> NDArray[np.float64]:
    joined = b"".join(stamps)
    if len(joined) != _STAMP.size * len(stamps):
        return np.array([_arrival(stamp) for stamp in stamps])
    pairs = np.frombuffer(joined, np.int64).reshape(-1, 2)
    arrivals: NDArray[np.float64] = pairs[:, 0] + pairs[:, 1] * 1e-9
    return arrivals
