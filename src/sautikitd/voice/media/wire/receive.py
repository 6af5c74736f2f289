"""Draining the sockets: each round takes one datagram of each socket that has one, and reads the whole batch with
array operations. Whatever is out of the ordinary goes to `Streams`, packet by packet."""

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from sautikitd.voice.media.g711 import FRAME_SAMPLES
from sautikitd.voice.media.leg import Leg
from sautikitd.voice.media.protocol import Event
from sautikitd.voice.media.rows import PACKET_SIZE, RING_BLOCKS, EventState, Rows
from sautikitd.voice.media.rtp import jitter
from sautikitd.voice.media.rtp.latch import SocketAddress
from sautikitd.voice.media.rtp.packets import HEADER_SIZE
from sautikitd.voice.media.rtp.streams import SEEN_PACKETS, Streams
from sautikitd.voice.media.wire.readiness import Readiness
from sautikitd.voice.media.wire.sockets import Wire

_RTCP_BUFFER = 2048
_ROUNDS = 8  # packets taken from one socket in one tick; the rest waits for the next
_FORWARD = 100  # a larger step of the sequence number is for the careful path
_EVENT_SIZE = HEADER_SIZE + 4  # RFC 4733; the beginning of a packet, which is all that most questions need
_END = 0x80

RtcpHandler = Callable[[Leg, bytes, SocketAddress], None]
Numbers = NDArray[np.int64]
Chosen = NDArray[np.bool_]


class Receiver:
    def __init__(self, rows: Rows, wire: Wire, emit: Callable[[Event], None], on_rtcp: RtcpHandler) -> None:
        self._rows = rows
        self._wire = wire
        self._streams = Streams(rows, emit)
        self._on_rtcp = on_rtcp
        # RTP has the number of its row, RTCP the same above the capacity.
        self._readiness = Readiness(2 * rows.capacity)
        self._by_row: list[Leg | None] = [None] * rows.capacity
        self._lined = np.zeros(rows.capacity, np.bool_)  # whether a line is between
        self._views = [memoryview(arrived.data) for arrived in wire.arrived]
        self._payloads = wire.arrived[:, HEADER_SIZE:PACKET_SIZE]
        self._starts = wire.arrived.view(f"V{_EVENT_SIZE}")[:, 0]

    def add(self, leg: Leg) -> None:
        self._by_row[leg.row] = leg
        self._wire.add(leg.row, leg.sockets.rtp)
        self._readiness.add(leg.sockets.rtp.fileno(), leg.row)
        self._readiness.add(leg.sockets.rtcp.fileno(), self._rows.capacity + leg.row)

    def configured(self, leg: Leg) -> None:
        """What was agreed about the leg has changed."""
        self._lined[leg.row] = leg.line is not None
        self._wire.aim(leg.row, leg.source, leg.target)

    def remove(self, leg: Leg) -> None:
        for made in (leg.sockets.rtp, leg.sockets.rtcp):
            self._readiness.remove(made.fileno())
        self._wire.remove(leg.row)
        self._lined[leg.row] = False
        self._by_row[leg.row] = None

    def close(self) -> None:
        self._readiness.close()

    def expire_keys(self, now: float) -> None:
        self._streams.expire_keys(self._by_row, now)

    def drain(self, now: float, *, rounds: int = _ROUNDS) -> None:
        """Takes what has arrived, at most `rounds` packets of each leg; `now` is monotonic. A row is at most once in
        a batch, and no system call is spent on finding a socket empty."""
        capacity = self._rows.capacity
        for _ in range(rounds):
            ready = self._readiness.ready()
            if not ready.size:
                return
            for row in (ready[ready >= capacity] - capacity).tolist():
                self._take_rtcp(row)
            self._round(ready[ready < capacity], now)

    def _round(self, ready: Numbers, now: float) -> None:
        row, sizes, arrivals, known = self._wire.take(ready)
        lined = self._lined.take(row)
        if lined.any():
            for index in np.flatnonzero(lined).tolist():
                size, usual = int(sizes[index]), bool(known[index])
                sizes[index], known[index] = self._through_line(int(row[index]), size, usual, now)
        ordinary = known & self._batch(row, sizes, arrivals, known, now)
        for index in np.flatnonzero(~ordinary & (sizes > 0)).tolist():
            leg = self._by_row[row[index]]
            if leg is not None:
                size, arrival = int(sizes[index]), float(arrivals[index])
                self._careful(leg, size, bool(known[index]), arrival, now)

    def _through_line(self, row: int, size: int, known: bool, now: float) -> tuple[int, bool]:
        leg = self._by_row[row]
        if leg is None or leg.line is None:
            return 0, False
        aim = leg.source, leg.target
        address = leg.source if known and leg.source is not None else self._wire.sender(row)
        size = leg.line.take(self._views[row], size, address, now)
        if (leg.source, leg.target) != aim:
            self._wire.aim(row, leg.source, leg.target)
        return size, address == leg.source

    def _careful(self, leg: Leg, size: int, known: bool, arrival: float, now: float) -> None:
        row, aim = leg.row, (leg.source, leg.target)
        address = leg.source if known and leg.source is not None else self._wire.sender(row)
        self._streams.take(leg, self._wire.arrived[row, :size].tobytes(), address, arrival, now)
        if (leg.source, leg.target) != aim:
            self._wire.aim(row, leg.source, leg.target)

    # The batch

    def _batch(
        self, row: Numbers, sizes: Numbers, arrivals: NDArray[np.float64], known: Chosen, now: float
    ) -> Chosen:
        """Takes the ordinary packets, and says which those were."""
        rows = self._rows
        octets = self._starts[row].view(np.uint8).reshape(-1, _EVENT_SIZE)
        shorts, words = octets.view(">u2"), octets.view(">u4")
        sequence = shorts[:, 1].astype(np.int64)
        timestamp = words[:, 1].astype(np.int64)
        kind = octets[:, 1]
        step = (sequence - rows.in_highest.take(row)) & 0xFFFF
        stream = known & (octets[:, 0] == 0x80) & (words[:, 2] == rows.in_ssrc.take(row))
        stream &= rows.started.take(row)
        stream &= self._fresh(row, step)
        block = jitter.block_of(rows, row, timestamp)
        depth = block - rows.playout.take(row)
        audio = stream & (sizes == PACKET_SIZE) & (kind == rows.in_type.take(row))
        audio &= (depth >= 0) & (depth < RING_BLOCKS - 4)
        events = stream & (sizes == _EVENT_SIZE) & (kind & 0x7F == rows.event_type.take(row))
        if audio.any():
            at = slice(None) if audio.all() else np.flatnonzero(audio)
            which = row[at]
            self._count(which, step[at], FRAME_SAMPLES, now)
            self._measure(which, timestamp[at], arrivals[at])
            jitter.put_frames(rows, which, block[at], self._payloads[which])
        if events.any():
            at = np.flatnonzero(events)
            self._count(row[at], step[at], _EVENT_SIZE - HEADER_SIZE, now)
            self._take_events(row[at], timestamp[at], octets[at], now)
        taken: Chosen = audio | events
        return taken

    def _take_events(self, row: Numbers, timestamp: Numbers, octets: NDArray[np.uint8], now: float) -> None:
        rows = self._rows
        told = self._told(row, timestamp, octets)
        updated = row[told]
        duration = octets.view(">u2")[told, 7].astype(np.int64)
        rows.event_duration[updated] = np.maximum(rows.event_duration[updated], duration)
        rows.event_heard[updated] = now
        for index in np.flatnonzero(~told).tolist():
            leg = self._by_row[row[index]]
            if leg is not None:
                payload = octets[index, HEADER_SIZE:].tobytes()
                self._streams.take_event(leg, int(timestamp[index]), payload, now)

    def _fresh(self, row: Numbers, step: Numbers) -> Chosen:
        """Whether each packet is a little ahead of the highest, or behind it and not seen yet."""
        back = (0x10000 - step) & 0xFFFF
        near = np.minimum(back, SEEN_PACKETS).astype(np.uint64)
        seen = (self._rows.in_seen.take(row) >> near & np.uint64(1)).astype(np.bool_)
        fresh: Chosen = ((step >= 1) & (step <= _FORWARD)) | ((back >= 1) & (back <= SEEN_PACKETS) & ~seen)
        return fresh

    def _told(self, row: Numbers, timestamp: Numbers, octets: NDArray[np.uint8]) -> Chosen:
        """Whether each event says nothing new: an update of the key that is down, or the repetition of its end."""
        rows = self._rows
        state = rows.event_state[row]
        end = (octets[:, HEADER_SIZE + 1] & _END) != 0
        same = timestamp == rows.event_time[row]
        told: Chosen = same & ((state == EventState.OVER) | ((state == EventState.DOWN) & ~end))
        return told

    def _count(self, row: Numbers, step: Numbers, size: int, now: float) -> None:
        rows = self._rows
        ahead = step <= _FORWARD
        seen = rows.in_seen.take(row)
        one = np.uint64(1)
        forward = np.minimum(step, SEEN_PACKETS).astype(np.uint64)
        back = np.where(ahead, 0, 0x10000 - step).astype(np.uint64)
        rows.in_seen[row] = np.where(
            ahead, np.where(step > SEEN_PACKETS, 0, seen << forward) | one, seen | one << back
        )
        rows.in_highest[row] += np.where(ahead, step, 0)
        rows.in_stream[row] += 1
        rows.in_packets[row] += 1
        rows.in_bytes[row] += size
        rows.in_at[row] = now

    def _measure(self, row: Numbers, timestamp: Numbers, arrival: NDArray[np.float64]) -> None:
        """Interarrival jitter: RFC 3550 appendix A.8."""
        rows = self._rows
        start = rows.in_start.take(row)
        transit = arrival * 8000 - (start + ((timestamp - start) & 0xFFFFFFFF))
        change = np.abs(transit - rows.in_transit.take(row))
        change[~(change < 80000)] = 0  # the first packet of a stream, or a jump of its clock
        rows.in_transit[row] = transit
        before = rows.in_jitter.take(row)
        rows.in_jitter[row] = before + (change - before) / 16

    def _take_rtcp(self, row: int) -> None:
        leg = self._by_row[row]
        if leg is None:
            return
        try:
            data, address = leg.sockets.rtcp.recvfrom(_RTCP_BUFFER)
        except OSError:  # an ICMP error or a spurious wake-up: no packet
            return
        plain = data if leg.line is None else leg.line.open_control(data)
        if plain is not None:
            self._on_rtcp(leg, plain, address)
