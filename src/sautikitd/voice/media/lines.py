"""Fits a leg to what was agreed with its far end: its line, and the codec at either end of it."""

from concurrent.futures import ThreadPoolExecutor

from sautikitd.voice.media.codecs.inlet import Inlet
from sautikitd.voice.media.codecs.outlet import Outlet
from sautikitd.voice.media.codecs.registry import (
    clock_scale,
    make_decoder,
    make_encoder,
    on_tables,
    packet_ms,
)
from sautikitd.voice.media.crypto.certificate import make_identity
from sautikitd.voice.media.g711 import SAMPLE_RATE
from sautikitd.voice.media.leg import Leg
from sautikitd.voice.media.line import FailureHandler, Line, RtcpHandler, needs_line
from sautikitd.voice.media.protocol import RemoteMedia
from sautikitd.voice.media.rows import Rows
from sautikitd.voice.media.urgency import make_prompt


class Lines:
    """Of one media process, which has one certificate, and one thread for handshakes."""

    def __init__(self, rows: Rows, on_rtcp: RtcpHandler, on_failure: FailureHandler) -> None:
        self._rows = rows
        self._on_rtcp = on_rtcp
        self._on_failure = on_failure
        self._identity = make_identity()
        self._thread = ThreadPoolExecutor(1, "dtls", initializer=make_prompt)

    @property
    def fingerprint(self) -> str:
        """Of our certificate, by SHA-256."""
        return self._identity.fingerprint

    def fit(self, leg: Leg, remote: RemoteMedia) -> None:
        """Before the leg's own settings change. A codec that stays keeps its memory."""
        before = leg.remote
        if leg.line is None and needs_line(remote):
            leg.line = Line(
                leg, self._identity, self._thread, on_rtcp=self._on_rtcp, on_failure=self._on_failure
            )
        if leg.line is not None:
            leg.line.configure(remote)
        if before is None or before.codec is not remote.codec:
            decoder = make_decoder(remote.codec)
            scale = clock_scale(remote.codec)
            leg.inlet = Inlet(self._rows, leg.row, decoder, scale=scale) if decoder is not None else None
            leg.scale = scale
        if before is None or _sent_as(before) != _sent_as(remote):
            leg.outlet = self._outlet(remote)
        leg.events.units_a_ms = remote.dtmf_rate // 1000

    def _outlet(self, remote: RemoteMedia) -> Outlet | None:
        if on_tables(remote.codec, remote.packet_ms):
            return None
        return Outlet(
            make_encoder(remote.codec),
            payload_type=remote.payload_type,
            packet_ms=packet_ms(remote.codec, remote.packet_ms),
            scale=clock_scale(remote.codec),
            event_scale=remote.dtmf_rate // SAMPLE_RATE,
        )

    def close(self) -> None:
        self._thread.shutdown(wait=False, cancel_futures=True)


def _sent_as(remote: RemoteMedia) -> tuple[object, ...]:
    return remote.codec, remote.payload_type, remote.packet_ms, remote.dtmf_rate
