"""Identifiers: UUIDv7 (RFC 9562 §5.7), made in Python so that any PostgreSQL from 16 on will do."""

import os
import threading
import time
from datetime import datetime
from uuid import UUID

_lock = threading.Lock()
_last_ms = 0
_counter = 0


def uuid7() -> UUID:
    """A time-ordered id, strictly increasing within this process.

    48 bits of Unix milliseconds, then a 12-bit counter restarted at random below 2^11 each
    millisecond (RFC 9562 §6.2, method 1), then 62 random bits.
    """
    global _last_ms, _counter
    drawn = int.from_bytes(os.urandom(10), "big")  # one system call
    with _lock:
        now_ms = time.time_ns() // 1_000_000
        if now_ms > _last_ms:
            _last_ms = now_ms
            _counter = drawn >> 69
        else:
            _counter += 1
            if _counter > 0xFFF:
                _last_ms += 1
                _counter = 0
        stamp, counter = _last_ms, _counter
    tail = drawn & ((1 << 62) - 1)
    return UUID(int=(stamp << 80) | (0x7 << 76) | (counter << 64) | (0b10 << 62) | tail)


def first_uuid7_of(moment: datetime) -> UUID:
    """The smallest UUIDv7 of a moment: what was made before it has a smaller id."""
    return UUID(int=int(moment.timestamp() * 1000) << 80)
