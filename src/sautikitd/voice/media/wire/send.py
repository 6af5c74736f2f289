"""Sending: the frames of all rows encoded and framed at once, and sent at once by the wire."""

import time
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from sautikitd.voice.media.g711 import ENCODE_BOTH, FRAME_SAMPLES
from sautikitd.voice.media.leg import Leg
from sautikitd.voice.media.rows import Rows
from sautikitd.voice.media.rtp.packets import HEADER_SIZE, RtpPacket, build_rtp
from sautikitd.voice.media.rtp.telephone_event import EventPacket
from sautikitd.voice.media.wire.sockets import Wire


class Sender:
    def __init__(self, rows: Rows, wire: Wire) -> None:
        self._rows = rows
        self._wire = wire
        self._shorts = rows.packets.view(">u2")
        self._words = rows.packets.view(">u4")
        rows.packets[:, 0] = 0x80
        self._by_row: dict[int, Leg] = {}
        self._plain: NDArray[np.int64] = np.zeros(0, np.int64)  # rows whose packets the arrays make
        self._ready: NDArray[np.int64] = np.zeros(
            0, np.int64
        )  # of these, those whose packets wait for `send`
        self._others: list[Leg] = []
        self._new: list[Leg] = []  # plain legs that have sent nothing yet

    def arrange(self, legs: Sequence[Leg]) -> None:
        """From now on these legs send, and no others."""
        self._by_row = {leg.row: leg for leg in legs}
        self._others = [leg for leg in legs if leg.line is not None or leg.outlet is not None]
        plain = [leg for leg in legs if leg.line is None and leg.outlet is None]
        self._plain = np.array([leg.row for leg in plain], np.int64)
        self._new = [leg for leg in plain if not leg.first_sent]

    def prepare(self, events: dict[int, EventPacket]) -> None:
        """Makes this tick's packet of each leg: of `rows.said`, or the row's event. Those that the arrays made leave
        with `send`, the others at once."""
        rows, high = self._rows, self._rows.high
        if high == 0:
            return
        self._frame(high)
        plain = self._plain
        if events:
            plain = plain[~np.isin(plain, list(events))]
        self._ready = plain
        for leg in self._others:
            self._send_otherwise(leg, events.get(leg.row))
        for row, event in events.items():
            leg = self._by_row[row]
            if leg.line is None and leg.outlet is None:
                self._transmit(leg, self._event(leg, event))
        self._note_first()
        moving = rows.sends[:high]
        rows.out_sequence[:high] += moving
        rows.out_packets[:high] += moving
        rows.out_marker[:high] &= ~moving
        rows.out_timestamp[:high] += FRAME_SAMPLES

    def send(self) -> None:
        """Sends what is prepared. A leg that was closed since sends nothing: its row has no socket, or no target."""
        if self._ready.size:
            self._wire.send(self._ready)
            self._ready = self._ready[:0]

    def _note_first(self) -> None:
        if self._new:
            now = time.time()
            for leg in self._new:
                leg.first_sent = leg.first_sent or now
            self._new.clear()

    def _send_otherwise(self, leg: Leg, event: EventPacket | None) -> None:
        """Of another codec, in packets of another length, or protected: none, one or more in this tick. Numbers
        are for each packet made, and move on by one for all legs afterwards."""
        rows, row, sent = self._rows, leg.row, 0
        if event is not None:
            made = [self._event(leg, event)]
        elif leg.outlet is not None:
            made = leg.outlet.packets(rows, row)
        else:
            made = [rows.packets[row].tobytes()]
        for packet in made:
            data = packet if leg.line is None else leg.line.seal(packet)
            if data is not None:
                sent += self._transmit(leg, data)
        if sent and not leg.first_sent:
            leg.first_sent = time.time()
        rows.out_sequence[row] += len(made) - 1
        rows.out_packets[row] += sent - 1

    def _transmit(self, leg: Leg, data: bytes) -> bool:
        try:
            leg.sockets.rtp.sendto(data, leg.target)  # type: ignore[arg-type]  # set for every sending leg
        except OSError:  # no route, no buffer: to the far end a lost packet, and RTCP will count it
            return False
        return True

    def skip(self, frames: int) -> None:
        """Time passed in which nothing was sent (the machine stood still): timestamps keep to the clock."""
        self._rows.out_timestamp[: self._rows.high] += frames * FRAME_SAMPLES

    def _frame(self, high: int) -> None:
        rows = self._rows
        index = rows.said[:high].view(np.uint16).astype(np.intp)
        if rows.out_law[:high].any():
            index += (rows.out_law[:high] * 65536)[:, None]
        rows.packets[:high, HEADER_SIZE:] = ENCODE_BOTH.take(index, mode="clip")
        rows.packets[:high, 1] = rows.out_type[:high] | (rows.out_marker[:high].astype(np.uint8) << 7)
        self._shorts[:high, 1] = (rows.out_sequence[:high] & 0xFFFF).astype(np.uint16)
        self._words[:high, 1] = (rows.out_timestamp[:high] & 0xFFFFFFFF).astype(np.uint32)
        self._words[:high, 2] = rows.out_ssrc[:high]

    def _event(self, leg: Leg, event: EventPacket) -> bytes:
        rows, row = self._rows, leg.row
        dtmf = leg.remote.dtmf_payload_type if leg.remote is not None else None
        if leg.outlet is not None:
            return leg.outlet.event(rows, row, event, dtmf or 0)
        return build_rtp(
            RtpPacket(
                marker=event.marker,
                payload_type=dtmf or 0,
                sequence=int(rows.out_sequence[row]),
                timestamp=event.timestamp,
                ssrc=int(rows.out_ssrc[row]),
                payload=event.payload,
            )
        )
