"""RTCP of every leg: a report each five seconds, reading the far end's, and the figures of `LegStats`."""

import random
import time

from sautikitd.voice.media.g711 import FRAME_SAMPLES
from sautikitd.voice.media.leg import Leg, wall_time
from sautikitd.voice.media.protocol import LegStats
from sautikitd.voice.media.rows import Rows
from sautikitd.voice.media.rtp import jitter
from sautikitd.voice.media.rtp.latch import SocketAddress
from sautikitd.voice.media.rtp.quality import mean_opinion_score
from sautikitd.voice.media.rtp.rtcp import (
    Report,
    ReportBlock,
    Sender,
    build_report,
    compact,
    ntp_time,
    parse_rtcp,
)
from sautikitd.voice.media.rtp.streams import expected

INTERVAL_S = 5.0
_SPREAD = (0.8, 1.2)  # so that legs opened together do not report together (RFC 3550 section 6.3.1)


class Reports:
    def __init__(self, rows: Rows, cname: str) -> None:
        self._rows = rows
        self._cname = cname

    def schedule(self, leg: Leg, now: float, interval: float = INTERVAL_S) -> None:
        leg.control.due_at = now + interval * random.uniform(*_SPREAD)

    def send(self, leg: Leg, now: float, *, goodbye: bool = False) -> None:
        """Sends one compound packet and plans the next."""
        self.schedule(leg, now)
        target = self._target(leg)
        if target is None:
            return
        data = build_report(self._report(leg, now), self._cname, goodbye=goodbye)
        sealed = data if leg.line is None else leg.line.seal_control(data)
        if sealed is None:
            return
        way = leg.sockets.rtp if leg.remote is not None and leg.remote.mux else leg.sockets.rtcp
        try:
            way.sendto(sealed, target)
        except OSError:  # a report lost is made up for by the next
            return

    def _target(self, leg: Leg) -> SocketAddress | None:
        if leg.control.target is not None:
            return leg.control.target
        if leg.remote is None or leg.target is None:
            return None
        if leg.remote.mux:
            return leg.target
        return leg.target[0], leg.remote.rtcp_port or leg.target[1] + 1

    def _report(self, leg: Leg, now: float) -> Report:
        rows, row = self._rows, leg.row
        sender = None
        if rows.out_packets[row]:
            packets = int(rows.out_packets[row])
            sender = Sender(
                ntp_time(time.time()),
                int(rows.out_timestamp[row]) * leg.scale & 0xFFFFFFFF,
                packets & 0xFFFFFFFF,
                _octets(leg, packets) & 0xFFFFFFFF,
            )
        blocks = (self._block(leg, now),) if rows.started[row] else ()
        return Report(int(rows.out_ssrc[row]), sender, blocks)

    def _block(self, leg: Leg, now: float) -> ReportBlock:
        """RFC 3550 appendix A.3."""
        rows, row, control = self._rows, leg.row, leg.control
        wanted, received = expected(rows, row), int(rows.in_stream[row])
        wanted_now, received_now = wanted - control.expected_before, received - control.received_before
        control.expected_before, control.received_before = wanted, received
        lost_now = wanted_now - received_now
        fraction = min(255, (lost_now << 8) // wanted_now) if wanted_now > 0 and lost_now > 0 else 0
        return ReportBlock(
            ssrc=int(rows.in_ssrc[row]),
            fraction_lost=fraction,
            lost=wanted - received,
            highest_sequence=int(rows.in_highest[row]),
            jitter=int(rows.in_jitter[row] * leg.scale),
            last_report=control.heard_ntp,
            delay=min(0xFFFFFFFF, int((now - control.heard_at) * 65536)) if control.heard_ntp else 0,
        )

    def receive(self, leg: Leg, data: bytes, address: SocketAddress) -> bool:
        """Takes a compound packet; False when it is not the far end's: it must come from where its RTP comes from."""
        if leg.target is None or address[0] != leg.target[0]:
            return False
        now, wall = time.monotonic(), time.time()
        reports = [report for report in parse_rtcp(data) if isinstance(report, Report)]
        for report in reports:
            leg.control.target = address
            leg.control.heard_rtcp = now
            if report.sender is not None:
                leg.control.heard_ntp = compact(report.sender.ntp)
                leg.control.heard_at = now
            for block in report.blocks:
                if block.ssrc == self._rows.out_ssrc[leg.row]:
                    self._learn(leg, block, wall)
        return bool(reports)

    def _learn(self, leg: Leg, block: ReportBlock, wall: float) -> None:
        control = leg.control
        control.remote_lost, control.remote_jitter = block.lost, block.jitter
        if block.last_report:
            rtt = (compact(ntp_time(wall)) - block.last_report - block.delay) & 0xFFFFFFFF
            if rtt < 10 * 65536:  # more is a report of another time, or a broken clock
                control.rtt_s = rtt / 65536

    def last_heard(self, leg: Leg) -> float:
        """Monotonic time of the last RTP or RTCP, 0 for never."""
        return max(float(self._rows.in_at[leg.row]), leg.control.heard_rtcp)

    def stats(self, leg: Leg, now: float) -> LegStats:
        rows, row, control = self._rows, leg.row, leg.control
        received = int(rows.in_packets[row])
        lost = leg.lost_before + max(0, expected(rows, row) - int(rows.in_stream[row]))
        loss_percent = 100 * lost / (received + lost) if received + lost else 0.0
        late = int(rows.late[row])
        unheard_percent = 100 * min(1.0, (lost + late) / (received + lost)) if received + lost else 0.0
        rtt_ms = None if control.rtt_s is None else control.rtt_s * 1000
        heard = self.last_heard(leg)
        sent = int(rows.out_packets[row])
        return LegStats(
            packets_received=received,
            bytes_received=int(rows.in_bytes[row]),
            packets_sent=sent,
            bytes_sent=_octets(leg, sent),
            lost=lost,
            loss_percent=round(loss_percent, 3),
            late=late,
            jitter_ms=round(float(rows.in_jitter[row]) / 8, 2),
            rtt_ms=None if rtt_ms is None else round(rtt_ms, 2),
            mos=mean_opinion_score(
                loss_percent=unheard_percent, buffer_ms=jitter.depth_ms(rows, row), rtt_ms=rtt_ms
            ),
            codec=leg.codec,
            remote_lost=control.remote_lost,
            remote_jitter_ms=None
            if control.remote_jitter is None
            else control.remote_jitter / (8 * leg.scale),
            first_received_at=wall_time(leg.first_received) if leg.first_received else None,
            last_received_at=wall_time(time.time() - (now - heard)) if heard else None,
            first_sent_at=wall_time(leg.first_sent) if leg.first_sent else None,
            rejected=leg.line.rejected if leg.line is not None else 0,
        )


def _octets(leg: Leg, packets: int) -> int:
    """Of payloads sent."""
    return leg.outlet.octets if leg.outlet is not None else packets * FRAME_SAMPLES
