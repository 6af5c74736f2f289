"""Ports for the servers that tests start.

They lie below the range from which the machine gives ports to outgoing connections (32768 on Linux) and to anybody who
binds port 0, and below the engine's for audio (20000), so that nobody takes one between its choice and its use.
"""

import os
import random
import socket
from collections.abc import Iterator


def _own_range() -> range:
    """Workers of one run have ports apart from one another."""
    count = int(os.environ.get("PYTEST_XDIST_WORKER_COUNT", "1"))
    number = int(os.environ.get("PYTEST_XDIST_WORKER", "gw0").removeprefix("gw"))
    size = 10_000 // count
    return range(10_000 + number * size, 10_000 + (number + 1) * size)


_RANGE = _own_range()


def _shuffled() -> Iterator[int]:
    """Every port once, in an order of this process's own: of two test runs side by side none treads on the other."""
    while True:
        yield from random.SystemRandom().sample(_RANGE, len(_RANGE))


_candidates = _shuffled()


def _is_free(port: int) -> bool:
    with socket.socket() as stream, socket.socket(type=socket.SOCK_DGRAM) as datagram:
        try:
            stream.bind(("127.0.0.1", port))
            datagram.bind(("127.0.0.1", port))
        except OSError:
            return False
    return True


def free_port() -> int:
    """A port of 127.0.0.1 that is free for TCP and UDP, and that this process names only once."""
    for _ in _RANGE:
        port = next(_candidates)
        if _is_free(port):
            return port
    raise RuntimeError(f"no port of {_RANGE.start}-{_RANGE.stop - 1} is free for TCP and UDP at once")


def free_ports(count: int) -> list[int]:
    return [free_port() for _ in range(count)]
