"""The media plane: all legs of one process, moved on together every 20 ms."""

import asyncio
import ipaddress
import secrets
import time
from collections.abc import Callable, Collection, Sequence

import numpy as np
from numpy.typing import NDArray

from sautikitd.voice.media.codecs.inlet import LAW
from sautikitd.voice.media.forks.forks import Forks
from sautikitd.voice.media.g711 import LAW_INDEX
from sautikitd.voice.media.leg import Leg, wall_time
from sautikitd.voice.media.lines import Lines
from sautikitd.voice.media.listening.ears import Ears
from sautikitd.voice.media.listening.goertzel import InBandDigits
from sautikitd.voice.media.protocol import (
    DigitReceived,
    Dtmf,
    Event,
    Gauges,
    LegStats,
    LocalMedia,
    MediaResumed,
    MediaSilent,
    MediaUnsecured,
    RecordingEnd,
    RemoteMedia,
    Segment,
    StartRecording,
)
from sautikitd.voice.media.rooms.booths import Booth, Booths
from sautikitd.voice.media.rooms.mixing import Rooms, Seat
from sautikitd.voice.media.rooms.overhearing import Overhearing
from sautikitd.voice.media.rooms.relays import Relays
from sautikitd.voice.media.rows import Rows
from sautikitd.voice.media.rtp import jitter
from sautikitd.voice.media.rtp.latch import Latch, SocketAddress
from sautikitd.voice.media.rtp.reports import INTERVAL_S, Reports
from sautikitd.voice.media.sounding.playback import DigitQueue, SampleStore, load_playback
from sautikitd.voice.media.sounding.speaking import Speaking
from sautikitd.voice.media.tape.recorder import Recorder
from sautikitd.voice.media.tape.recording import WriterThread
from sautikitd.voice.media.wire.ports import Ports
from sautikitd.voice.media.wire.receive import Receiver
from sautikitd.voice.media.wire.ring_wire import open_wire
from sautikitd.voice.media.wire.send import Sender

_TICKS_A_SECOND = 50
_EXPIRY_TICKS = 5
_MOST_HEARD_LATE = 250  # ticks: after a longer standstill (a suspended machine) nothing is as it was


class UnknownLeg(KeyError):
    """No leg of that name is open here."""


class LegExists(ValueError):
    """A leg of that name is open already."""


class Plane:
    """Not thread-safe: everything happens on the loop that calls `tick`. `emit` takes each event at once."""

    def __init__(
        self, ports: Ports, emit: Callable[[Event], None], *, capacity: int, silent_after_s: float
    ) -> None:
        self._ports = ports
        self._emit = emit
        self._silent_after_s = silent_after_s
        self._rows = Rows(capacity)
        self._wire = open_wire(self._rows.packets)
        self._receiver = Receiver(self._rows, self._wire, emit, self._take_rtcp)
        self._lines = Lines(self._rows, self._take_rtcp, self._tell_unsecured)
        self._sender = Sender(self._rows, self._wire)
        self._reports = Reports(self._rows, f"{secrets.token_hex(6)}@{ports.address}")
        self._in_band = InBandDigits(capacity)
        self._rooms = Rooms()
        self._booths = Booths(self._rows, self._rooms, emit)
        self._speaking = Speaking(self._rows, emit)
        self._overhearing = Overhearing(self._rows)
        self._relays = Relays(self._rows, self._rooms, lambda row: self._by_row.get(row))
        self.recorder = Recorder(self._rows, emit, WriterThread())
        self.forks = Forks(self._rows)
        self.ears = Ears(self._rows, emit)
        self._store = SampleStore()
        self._legs: dict[str, Leg] = {}
        self._by_row: dict[int, Leg] = {}
        self._decoding: list[Leg] = []  # legs with a codec of their own
        self._changed = False  # since the lists below were made
        self._every: list[Leg] = []
        self._tone_rows: NDArray[np.int64] = np.zeros(0, np.int64)
        self._ticks = 0

    # Legs

    def open_leg(self, leg_id: str) -> LocalMedia:
        """Raises `LegExists`, `NoPorts`, `NoRows`."""
        if leg_id in self._legs:
            raise LegExists(leg_id)
        sockets = self._ports.open()
        try:
            row = self._rows.take()
        except BaseException:
            sockets.close()
            raise
        leg = Leg(leg_id, row, sockets)
        self._rows.out_ssrc[row] = secrets.randbits(32)
        self._rows.out_sequence[row] = secrets.randbits(15)
        self._rows.out_timestamp[row] = secrets.randbits(31)
        self._in_band.forget(row)
        self._legs[leg_id] = self._by_row[row] = leg
        self._receiver.add(leg)
        return LocalMedia(
            address=self._ports.address,
            rtp_port=sockets.rtp_port,
            rtcp_port=sockets.rtcp_port,
            fingerprint=self._lines.fingerprint,
            ssrc=int(self._rows.out_ssrc[row]),
        )

    def configure_leg(self, leg_id: str, remote: RemoteMedia) -> None:
        """Raises `UnknownLeg`, ValueError when the address is not an IP literal."""
        leg, rows = self._leg(leg_id), self._rows
        address, now, before = ipaddress.ip_address(remote.address), time.monotonic(), leg.remote
        moved = before is None or (before.address, before.rtp_port) != (remote.address, remote.rtp_port)
        if moved and (remote.ice is None or leg.latch is None):
            leg.latch = Latch((self._ports.written(remote.address), remote.rtp_port), pinned=remote.pinned)
            leg.control.target = None
            leg.follow_latch()
        self._lines.fit(leg, remote)
        row, law = leg.row, LAW_INDEX.get(remote.codec, LAW_INDEX[LAW])
        if rows.in_law[row] != law:
            rows.have[row] = False
        rows.in_law[row] = rows.out_law[row] = law
        rows.in_type[row] = rows.out_type[row] = remote.payload_type
        if leg.inlet is not None:
            rows.in_type[row] = -1  # never for the arrays
        rows.listening[row] = remote.receive
        known = remote.ice is not None or (remote.rtp_port > 0 and not address.is_unspecified)
        sends = remote.send and known
        rows.out_marker[row] |= sends and not rows.sends[row]
        rows.sends[row] = sends
        rows.event_type[row] = -1 if remote.dtmf_payload_type is None else remote.dtmf_payload_type
        leg.remote, leg.configured_at = remote, now
        self._receiver.configured(leg)
        if before is None:
            self._reports.schedule(leg, now, INTERVAL_S / 2)
        self._changed = True

    async def close_leg(self, leg_id: str) -> LegStats:
        """Ends all that the leg was doing, and returns once its recordings are closed. Raises `UnknownLeg`."""
        leg, now = self._leg(leg_id), time.monotonic()
        self._receiver.drain(now)  # what came since the last tick counts
        self._speaking.stop(leg)
        closing = self.recorder.stop_all(leg, RecordingEnd.LEG_CLOSED)
        stats = self._reports.stats(leg, now)
        self._reports.send(leg, now, goodbye=True)
        self._speaking.forget(leg)
        self.forks.stop_all(leg)
        self.ears.stop(leg)
        self._rooms.leave(leg.row)
        self._overhearing.forget(leg.row)
        self._receiver.remove(leg)
        if leg.line is not None:
            leg.line.close()
        leg.sockets.close()
        del self._legs[leg_id], self._by_row[leg.row]
        self._rows.give_back(leg.row)
        self._changed = True
        await asyncio.gather(*closing)
        return stats

    def stats(self, leg_id: str) -> LegStats:
        return self._reports.stats(self._leg(leg_id), time.monotonic())

    def gauges(self) -> Gauges:
        return Gauges(
            legs=len(self._legs),
            plays=self._speaking.plays + self._booths.plays,
            recordings=self.recorder.open,
            rooms=len(self._rooms),
            sockets=2 * len(self._legs),
            forks=len(self.forks),
        )

    def leg(self, leg_id: str) -> Leg:
        """Raises `UnknownLeg`."""
        return self._leg(leg_id)

    def _leg(self, leg_id: str) -> Leg:
        leg = self._legs.get(leg_id)
        if leg is None:
            raise UnknownLeg(leg_id)
        return leg

    def _arrange(self) -> None:
        """Sorts the legs, once in a tick in which any came, went or changed."""
        self._changed = False
        self._every = list(self._legs.values())
        self._sender.arrange([leg for leg in self._legs.values() if self._rows.sends[leg.row]])
        self._decoding = [leg for leg in self._legs.values() if leg.inlet is not None]
        self._tone_rows = np.array([leg.row for leg in self._legs.values() if leg.in_band], np.int64)

    # What a leg does

    async def play(self, leg_id: str, play_id: str, segments: Sequence[Segment], loop: int) -> None:
        """Raises `UnknownLeg`, `UnreadableFile`, `BadDigits`, ValueError. A play that runs is replaced."""
        leg = self._leg(leg_id)
        playback = await load_playback(self._store, play_id, segments, loop, leg.digits)
        if self._legs.get(leg_id) is not leg:
            raise UnknownLeg(leg_id)
        self._speaking.start(leg, playback)

    def stop_play(self, leg_id: str) -> None:
        self._speaking.stop(self._leg(leg_id))

    def send_digits(self, leg_id: str, digits: str) -> None:
        """Raises `UnknownLeg`, `BadDigits`."""
        self._speaking.send_digits(self._leg(leg_id), digits)

    def join(
        self,
        leg_id: str,
        room: str,
        *,
        muted: bool,
        deaf: bool,
        heard_by: Collection[str] | None = None,
        overhears: Collection[str] = (),
    ) -> None:
        leg = self._leg(leg_id)
        leg.room = room
        self._rows.seated[leg.row] = True
        named = None if heard_by is None else frozenset(heard_by)
        self._rooms.join(leg.row, Seat(leg_id, room, muted, deaf, named))
        self._overhearing.listen(leg.row, [self._legs[name].row for name in overhears if name in self._legs])

    def leave(self, leg_id: str) -> None:
        leg = self._leg(leg_id)
        leg.room = None
        self._rows.seated[leg.row] = False
        self._rooms.leave(leg.row)
        self._overhearing.listen(leg.row, [])

    # What a room does

    def open_booth(self, booth_id: str, room: str) -> None:
        """Raises `LegExists`, `NoRows`, ValueError."""
        if booth_id in self._legs:
            raise LegExists(booth_id)
        self._booths.open(booth_id, room)

    async def close_booth(self, booth_id: str) -> None:
        booth = self._booth(booth_id)
        await asyncio.gather(*self.recorder.stop_all(booth, RecordingEnd.LEG_CLOSED))
        self._booths.close(booth)

    async def announce(self, booth_id: str, play_id: str, segments: Sequence[Segment], loop: int) -> None:
        """Raises as `play` does, and ValueError for digits: a room has no keys."""
        booth = self._booth(booth_id)
        if any(isinstance(segment, Dtmf) for segment in segments):
            raise ValueError("digits cannot be sent to a room")
        playback = await load_playback(self._store, play_id, segments, loop, DigitQueue())
        if self._booths.find(booth_id) is not booth:
            raise UnknownLeg(booth_id)
        self._booths.announce(booth, playback)

    def hush(self, booth_id: str, play_id: str | None) -> None:
        self._booths.hush(self._booth(booth_id), play_id)

    async def record(self, order: StartRecording) -> None:
        """Of a leg, or of the booth of a room. Raises `UnknownLeg`, `CannotRecord`."""
        await self.recorder.start(order, lambda: self._booths.find(order.leg_id) or self._leg(order.leg_id))

    def _booth(self, booth_id: str) -> Booth:
        booth = self._booths.find(booth_id)
        if booth is None:
            raise UnknownLeg(booth_id)
        return booth

    # The tick

    def tick(self) -> None:
        """Moves everything on by 20 ms."""
        self.prepare()
        self.send()

    def send(self) -> None:
        """Sends what the last `prepare` made: all at once, so that the time this takes is the same in each tick."""
        self._sender.send()

    def prepare(self) -> None:
        """All of a tick but the sending of most packets."""
        now, rows = time.monotonic(), self._rows
        if self._changed:
            self._arrange()
        self._receiver.drain(now)
        for leg in self._decoding:
            if leg.inlet is not None:
                leg.inlet.hurry()
        jitter.play_out(rows)
        self._hear_tones()
        self.ears.hear()
        rows.said[: rows.high] = 0
        self._booths.speak()
        self._rooms.mix(rows)
        self._overhearing.note()
        events, finished = self._speaking.speak()
        self.forks.run()
        self._overhearing.pass_on()
        self.recorder.record()
        self._relays.connect(self._decoding)
        self._sender.prepare(events)
        for event in finished:
            self._emit(event)
        self._ticks += 1
        if self._ticks % _EXPIRY_TICKS == 0:
            self._receiver.expire_keys(now)
        self._each_second(now)
        if self._ticks % jitter.ADJUST_TICKS == 0:
            jitter.adjust(rows)

    def skip(self, ticks: int) -> None:
        """Accounts for ticks that will not be made up for: what was heard in them is recorded, so that recordings
        keep time; nothing is sent."""
        now = time.monotonic()
        if self._changed:
            self._arrange()
        self._rows.said[: self._rows.high] = 0
        for _ in range(min(ticks, _MOST_HEARD_LATE)):
            # What came in one tick, so that the jitter buffer has room for it.
            self._receiver.drain(now, rounds=2)
            jitter.play_out(self._rows)
            self._hear_tones()
            self.recorder.record()
        self._sender.skip(ticks)

    @property
    def idle(self) -> bool:
        return not self._legs

    def _hear_tones(self) -> None:
        if not self._tone_rows.size:
            return
        for row, press in self._in_band.listen(self._tone_rows, self._rows.heard[self._tone_rows]):
            leg_id, at = self._by_row[row].leg_id, wall_time(time.time())
            self._emit(DigitReceived(leg_id=leg_id, digit=press.digit, duration_ms=press.duration_ms, at=at))

    def _each_second(self, now: float) -> None:
        """Of each leg, some in each tick."""
        for leg in self._every[self._ticks % _TICKS_A_SECOND :: _TICKS_A_SECOND]:
            if leg.remote is None:
                continue
            if now >= leg.control.due_at:
                self._reports.send(leg, now)
            self._watch_silence(leg, now)

    def _watch_silence(self, leg: Leg, now: float) -> None:
        heard = self._reports.last_heard(leg)
        silent = now - max(heard, leg.configured_at) >= self._silent_after_s
        if silent and not leg.silent and self._rows.listening[leg.row]:
            leg.silent = True
            at = wall_time(time.time() - (now - heard)) if heard else None
            self._emit(MediaSilent(leg_id=leg.leg_id, last_received_at=at))
        elif leg.silent and now - heard < self._silent_after_s:
            leg.silent = False
            self._emit(MediaResumed(leg_id=leg.leg_id, at=wall_time(time.time())))

    def _take_rtcp(self, leg: Leg, data: bytes, address: SocketAddress) -> None:
        self._reports.receive(leg, data, address)

    def _tell_unsecured(self, leg: Leg, reason: str) -> None:
        self._emit(MediaUnsecured(leg_id=leg.leg_id, reason=reason))

    async def close(self) -> None:
        """Closes every leg and finishes every file."""
        for leg_id in list(self._legs):
            await self.close_leg(leg_id)
        self.recorder.close()
        self._receiver.close()
        self._wire.close()
        self._lines.close()
