"""Sending: the frames of all rows encoded and framed at once, then one system call for each packet."""

import time

import numpy as np

from sautikitd.voice.media.g711 import ENCODE_BOTH, FRAME_SAMPLES
from sautikitd.voice.media.leg import Leg
from sautikitd.voice.media.rows import Rows
from sautikitd.voice.media.rtp import HEADER_SIZE, RtpPacket, build_rtp
from sautikitd.voice.media.telephone_event import EventPacket


class Sender:
    def __init__(self, rows: Rows) -> None:
        self._rows = rows
        self._shorts = rows.packets.view(">u2")
        self._words = rows.packets.view(">u4")
        rows.packets[:, 0] = 0x80

    def send(self, legs: list[Leg], events: dict[int, EventPacket]) -> None:
        """Sends this tick's packet of each of `legs`, all of which may send: of `rows.said`, or the row's event."""
        rows, high = self._rows, self._rows.high
        if high == 0:
            return
        self._frame(high)
        views = rows.packet_views
        for leg in legs:
            row = leg.row
            if leg.line is not None or leg.outlet is not None:
                self._send_otherwise(leg, events.get(row))
                continue
            data = self._event(leg, events[row]) if row in events else views[row]
            try:
                leg.sockets.rtp.sendto(data, leg.target)  # type: ignore[arg-type]  # set for every sending leg
            except (
                OSError
            ):  # no route, no buffer: to the far end this is a lost packet, and RTCP will count it
                continue
            if not leg.first_sent:
                leg.first_sent = time.time()
        moving = rows.sends[:high]
        rows.out_sequence[:high] += moving
        rows.out_packets[:high] += moving
        rows.out_marker[:high] &= ~moving
        rows.out_timestamp[:high] += FRAME_SAMPLES

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
            if data is None:
                continue
            try:
                leg.sockets.rtp.sendto(data, leg.target)  # type: ignore[arg-type]  # as above
            except OSError:
                continue
            sent += 1
        if sent and not leg.first_sent:
            leg.first_sent = time.time()
        rows.out_sequence[row] += len(made) - 1
        rows.out_packets[row] += sent - 1

    def skip(self, frames: int) -> None:
        """Time passed in which nothing was sent (the machine stood still): timestamps keep to the clock."""
        self._rows.out_timestamp[: self._rows.high] += frames * FRAME_SAMPLES

    def _frame(self, high: int) -> None:
        rows = self._rows
        index = rows.said[:high].view(np.uint16).astype(np.int64)
        index += (rows.out_law[:high] * 65536)[:, None]
        rows.packets[:high, HEADER_SIZE:] = ENCODE_BOTH[index]
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
