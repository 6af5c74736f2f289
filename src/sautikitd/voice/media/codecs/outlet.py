"""Sending what the plane's arrays cannot: another codec, or packets of another length."""

import numpy as np

from sautikitd.voice.media.codecs.frames import SAMPLES_A_MS, FrameEncoder
from sautikitd.voice.media.codecs.inlet import Inlet
from sautikitd.voice.media.g711 import Pcm
from sautikitd.voice.media.rows import Rows
from sautikitd.voice.media.rtp.packets import RtpPacket, build_rtp
from sautikitd.voice.media.rtp.telephone_event import EventPacket

_PATIENCE_TICKS = 5  # without a packet of the other leg, before silence is encoded in its place


class Outlet:
    """Of one leg. Gathers the plane's frames of 20 ms to packets of `packet_ms`, which may be shorter or longer."""

    def __init__(
        self, encoder: FrameEncoder, *, payload_type: int, packet_ms: int, scale: int, event_scale: int
    ) -> None:
        self.octets = 0  # of payloads sent
        self._encoder = encoder
        self._payload_type = payload_type
        self._samples = packet_ms * SAMPLES_A_MS
        self._scale = scale
        self._event_scale = event_scale
        self._pending: Pcm = np.zeros(0, np.int16)
        self._marker = False
        self._source: Inlet | None = None
        self._ahead: int | None = None  # of their timestamps, ours: while packets are sent on
        self._idle = 0  # ticks without one

    def listen_to(self, source: Inlet | None) -> None:
        """What the leg hears now: another leg of the same codec and nothing else, or (None) sound to be encoded."""
        if source is not self._source:
            self._source, self._ahead = source, None

    def packets(self, rows: Rows, row: int) -> list[bytes]:
        """The packets that this tick's frame completes, numbered from the row's next sequence number on."""
        self._marker |= bool(rows.out_marker[row])
        relayed = self._relayed(rows, row) if self._source is not None else None
        if relayed is not None:
            return relayed
        begins = int(rows.out_timestamp[row]) - len(self._pending)
        ready = np.concatenate((self._pending, rows.said[row]))
        made: list[bytes] = []
        while len(ready) >= self._samples:
            payload = self._encoder.encode(ready[: self._samples])
            made.append(self._packet(rows, row, len(made), begins, payload))
            ready, begins = ready[self._samples :], begins + self._samples
        self._pending = ready
        return made

    def _relayed(self, rows: Rows, row: int) -> list[bytes] | None:
        """What came from the other leg since the last tick, with our numbers; None while nothing comes, or not in
        packets of the length that is wanted here."""
        assert self._source is not None
        taken = list(self._source.taken)
        self._source.taken.clear()
        self._idle = 0 if taken else self._idle + 1
        silent = self._ahead is None and not taken
        if silent or self._idle > _PATIENCE_TICKS or any(one.samples != self._samples for one in taken):
            self._ahead = None
            return None
        if self._ahead is None:
            self._ahead = int(rows.out_timestamp[row]) - taken[0].timestamp
            self._pending = self._pending[:0]
            self._marker = True
        return [
            self._packet(rows, row, index, one.timestamp + self._ahead, one.payload)
            for index, one in enumerate(taken)
        ]

    def event(self, rows: Rows, row: int, event: EventPacket, payload_type: int) -> bytes:
        """A packet of telephone-event in the place of this tick's frame."""
        self._pending = self._pending[:0]
        self._marker = False
        payload = event.payload
        if self._event_scale != 1:
            duration = int.from_bytes(payload[2:], "big") * self._event_scale
            payload = payload[:2] + min(duration, 0xFFFF).to_bytes(2, "big")
        self.octets += len(payload)
        timestamp = event.timestamp * self._scale
        sequence, ssrc = int(rows.out_sequence[row]), int(rows.out_ssrc[row])
        return build_rtp(RtpPacket(event.marker, payload_type, sequence, timestamp, ssrc, payload))

    def _packet(self, rows: Rows, row: int, index: int, begins: int, payload: bytes) -> bytes:
        marker, self._marker = self._marker, False
        self.octets += len(payload)
        return build_rtp(
            RtpPacket(
                marker=marker,
                payload_type=self._payload_type,
                sequence=int(rows.out_sequence[row]) + index,
                timestamp=begins * self._scale,
                ssrc=int(rows.out_ssrc[row]),
                payload=payload,
            )
        )
