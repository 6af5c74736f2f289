"""When the kernel took a packet in: SO_TIMESTAMPNS (socket(7)), so that jitter is the network's and not our tick's."""

import struct

SO_TIMESTAMPNS = 35
_STAMP = struct.Struct("@ll")


def arrival_of(stamp: bytes) -> float:
    """Unix seconds of the control message's data, a struct timespec."""
    seconds, nanoseconds = _STAMP.unpack_from(stamp)
    arrival: float = seconds + nanoseconds * 1e-9
    return arrival
