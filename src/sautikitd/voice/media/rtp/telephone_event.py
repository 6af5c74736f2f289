"""DTMF as named telephone events (RFC 4733): reading presses, and sending them."""

import struct
from typing import NamedTuple

DIGITS = "0123456789*#ABCD"  # event codes 0 to 15, RFC 4733 section 3.2
_PAYLOAD = struct.Struct("!BBH")
_VOLUME = 10  # -10 dBm0
LOST_END_S = 0.2  # updates come every 20 to 50 ms: after this much silence the key is up
_LONGEST_SEGMENT = 0xFFFF


class EventPayload(NamedTuple):
    code: int
    end: bool
    duration: int  # timestamp units, 1/8000 s unless another clock was agreed


class Press(NamedTuple):
    digit: str
    duration_ms: int


def parse_event(payload: bytes) -> EventPayload | None:
    if len(payload) < _PAYLOAD.size:
        return None
    code, flags, duration = _PAYLOAD.unpack_from(payload)
    return EventPayload(code, bool(flags & 0x80), duration)


class EventReader:
    """Each press once, whatever is lost, doubled or out of order: the RTP timestamp names the press."""

    def __init__(self) -> None:
        self.units_a_ms = 8
        self._timestamp: int | None = None  # of the newest event seen
        self._code = 0
        self._duration = 0
        self._earlier = 0  # duration of the finished segments of a very long press
        self._down = False
        self._heard_at = 0.0

    @property
    def down(self) -> bool:
        return self._down

    @property
    def timestamp(self) -> int | None:
        """Of the newest press."""
        return self._timestamp

    def note(self, duration: int, heard_at: float) -> None:
        """Updates of the key that is down, which said nothing else."""
        if self._down:
            self._duration = max(self._duration, duration)
            self._heard_at = max(self._heard_at, heard_at)

    def feed(self, timestamp: int, payload: bytes, now: float) -> list[Press]:
        """Takes one packet; `now` in monotonic seconds. Returns the presses it completes, at most two."""
        event = parse_event(payload)
        if event is None or event.code >= len(DIGITS):
            return []
        presses: list[Press] = []
        if timestamp != self._timestamp:
            age = 0 if self._timestamp is None else (timestamp - self._timestamp) & 0xFFFFFFFF
            if age >= 0x80000000:
                return []  # a straggler of an earlier press
            if self._down and self._code == event.code and age == _LONGEST_SEGMENT:
                self._earlier += _LONGEST_SEGMENT  # the next segment of one press: section 2.5.1.3
            else:
                presses += self._release()
                self._earlier = 0
            self._timestamp, self._code, self._duration, self._down = timestamp, event.code, 0, True
        if not self._down:
            return presses  # a repeat of an end already counted
        self._heard_at = now
        self._duration = max(self._duration, event.duration)
        return presses + self._release() if event.end else presses

    def expire(self, now: float) -> list[Press]:
        """The press whose end was lost, once its updates have stopped."""
        return self._release() if self._down and now - self._heard_at > LOST_END_S else []

    def restart(self) -> list[Press]:
        """Forgets timestamps (the source changed); a key still down is counted."""
        presses = self._release()
        self._timestamp = None
        return presses

    def _release(self) -> list[Press]:
        if not self._down:
            return []
        self._down = False
        return [Press(DIGITS[self._code], (self._earlier + self._duration) // self.units_a_ms)]


class EventPacket(NamedTuple):
    marker: bool
    timestamp: int
    payload: bytes


class EventWriter:
    """One press to send: an update each frame, then the end three times (RFC 4733 section 2.5.1.4)."""

    def __init__(self, digit: str, timestamp: int, *, frames: int = 5) -> None:
        self._code = DIGITS.index(digit)
        self._timestamp = timestamp
        self._frames = frames
        self._sent = 0

    def next(self) -> EventPacket | None:
        """The packet for this frame; None when the press is complete."""
        if self._sent >= self._frames + 2:
            return None
        self._sent += 1
        duration = min(self._sent, self._frames) * 160
        end = 0x80 if self._sent >= self._frames else 0
        return EventPacket(
            self._sent == 1, self._timestamp, _PAYLOAD.pack(self._code, end | _VOLUME, duration)
        )
