"""One packet at a time: latching, the order of a stream (RFC 3550), and what its payload is. The careful path, for
whatever is out of the ordinary: first packets, keys, other lengths, other codecs."""

import time
from collections.abc import Callable

import numpy as np

from sautikitd.voice.media.g711 import DECODE_BOTH, FRAME_SAMPLES, LAW_INDEX, SILENCE, Codec, encode
from sautikitd.voice.media.leg import Leg, wall_time
from sautikitd.voice.media.protocol import DigitReceived, Event, FirstPacket
from sautikitd.voice.media.rows import EventState, Rows
from sautikitd.voice.media.rtp import jitter
from sautikitd.voice.media.rtp.latch import SocketAddress
from sautikitd.voice.media.rtp.packets import RtpPacket, parse_rtp
from sautikitd.voice.media.rtp.telephone_event import LOST_END_S, Press

SEEN_PACKETS = 63  # behind the highest, of which it is known whether they came
_MAX_DROPOUT = 3000  # RFC 3550 appendix A.1
_MAX_MISORDER = 100
_COMFORT_NOISE = 13  # RFC 3389
_LAW_OF_TYPE = {0: Codec.PCMU, 8: Codec.PCMA}


class Streams:
    def __init__(self, rows: Rows, emit: Callable[[Event], None]) -> None:
        self._rows = rows
        self._emit = emit

    def take(self, leg: Leg, data: bytes, address: SocketAddress, arrival: float, now: float) -> None:
        """A datagram from anybody; `arrival` in Unix seconds, `now` monotonic."""
        packet = parse_rtp(data)
        if packet is None or leg.latch is None or leg.remote is None:
            return
        sound = packet.payload_type != leg.remote.dtmf_payload_type
        if sound and leg.inlet is not None:
            packet = leg.inlet.on_our_clock(packet)
        if not leg.latch.accepts(address, packet.ssrc, silent_s=now - self._rows.in_at[leg.row]):
            return
        leg.follow_latch()
        if self._follow(leg, packet):
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

    def _follow(self, leg: Leg, packet: RtpPacket) -> bool:
        """Moves the sequence on (RFC 3550 appendix A.1); False for a packet that does not count: a double, a stray."""
        rows, row = self._rows, leg.row
        if rows.started[row] and packet.ssrc != rows.in_ssrc[row] and leg.rival_ssrc != packet.ssrc:
            leg.rival_ssrc = packet.ssrc  # one packet of another SSRC may be a stray, two are a new stream
            return False
        if not rows.started[row] or packet.ssrc != rows.in_ssrc[row]:
            self._start(leg, packet)
            return True
        leg.rival_ssrc = None
        step = (packet.sequence - int(rows.in_highest[row])) & 0xFFFF
        seen = int(rows.in_seen[row])
        if step == 0:
            return False
        if step < _MAX_DROPOUT:
            rows.in_highest[row] += step
            rows.in_seen[row] = (seen << step | 1) & 0xFFFFFFFFFFFFFFFF if step <= SEEN_PACKETS else 1
        elif step < 0x10000 - _MAX_MISORDER:
            self._start(leg, packet)
        elif (back := 0x10000 - step) <= SEEN_PACKETS:
            if seen >> back & 1:
                return False
            rows.in_seen[row] = seen | 1 << back
        return True

    def _start(self, leg: Leg, packet: RtpPacket) -> None:
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
        rows.in_seen[row] = 1
        rows.in_stream[row] = 0
        rows.in_transit[row] = np.nan
        rows.event_state[row] = EventState.NONE
        jitter.anchor(rows, row, packet.timestamp)

    def _take_payload(self, leg: Leg, packet: RtpPacket, now: float) -> None:
        rows, row, remote = self._rows, leg.row, leg.remote
        if remote is None:
            return
        if packet.payload_type == remote.dtmf_payload_type:
            self.take_event(leg, packet.timestamp, packet.payload, now)
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

    # Keys

    def take_event(self, leg: Leg, timestamp: int, payload: bytes, now: float) -> None:
        """A telephone-event of the leg's stream, counted already; `now` monotonic."""
        rows, row = self._rows, leg.row
        self._catch_up(leg)
        presses = leg.events.feed(timestamp, payload, now)
        if presses:
            self._report(leg, presses)
        if leg.events.timestamp == timestamp:
            rows.event_state[row] = EventState.DOWN if leg.events.down else EventState.OVER
            rows.event_time[row] = timestamp
            rows.event_heard[row], rows.event_duration[row] = now, 0

    def _catch_up(self, leg: Leg) -> None:
        """Tells the reader of the updates that were taken as arrays since."""
        leg.events.note(int(self._rows.event_duration[leg.row]), float(self._rows.event_heard[leg.row]))

    def expire_keys(self, legs: list[Leg | None], now: float) -> None:
        """Counts keys whose end packets were all lost. `legs` is by row."""
        rows, high = self._rows, self._rows.high
        down = (rows.event_state[:high] == EventState.DOWN) & (now - rows.event_heard[:high] > LOST_END_S)
        for row in np.flatnonzero(down).tolist():
            leg = legs[row]
            if leg is not None:
                self._catch_up(leg)
                self._report(leg, leg.events.expire(now))
            rows.event_state[row] = EventState.OVER

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


def expected(rows: Rows, row: int) -> int:
    """Packets the present stream should have had so far."""
    return int(rows.in_highest[row] - rows.in_first[row]) + 1 if rows.started[row] else 0


def _measure_jitter(rows: Rows, row: int, timestamp: int, arrival: float) -> None:
    """As `Receiver` does for many rows."""
    transit = arrival * 8000 - (rows.in_start[row] + ((timestamp - int(rows.in_start[row])) & 0xFFFFFFFF))
    change = abs(transit - rows.in_transit[row])
    if change < 80000:
        rows.in_jitter[row] += (change - rows.in_jitter[row]) / 16
    rows.in_transit[row] = transit
