"""UDP port pairs: RTP on an even port, RTCP on the next (RFC 3550 section 11)."""

import ipaddress
import socket
import sys
from typing import NamedTuple

_EPHEMERAL_TRIES = 64
# The kernel stamps each packet, so that jitter is the network's and not our tick's.
SO_TIMESTAMPNS = 35
_STAMPED = sys.platform == "linux"
_MAPPED = bytes(10) + b"\xff\xff"
_RECEIVE_BUFFER = 64 * 1024


class NoPorts(Exception):
    """No free pair of UDP ports is left in the range: widen the range of media ports or end some calls."""


class SocketPair(NamedTuple):
    rtp: socket.socket
    rtcp: socket.socket

    @property
    def rtp_port(self) -> int:
        port: int = self.rtp.getsockname()[1]
        return port

    @property
    def rtcp_port(self) -> int:
        port: int = self.rtcp.getsockname()[1]
        return port

    def close(self) -> None:
        self.rtp.close()
        self.rtcp.close()


class Ports:
    """Hands out pairs of `first`..`last` in turn, so that a port rests before its next call; (0, 0): ephemeral."""

    def __init__(self, address: str, first: int, last: int) -> None:
        self.address = address
        self._family = socket.AF_INET6 if ipaddress.ip_address(address).version == 6 else socket.AF_INET
        self._pairs = range(first + first % 2, last, 2) if first else range(0)
        self._next = 0

    def written(self, address: str) -> str:
        """An IP literal as our sockets write it. One that is bound to IPv6 knows IPv4 addresses as mapped ones
        (RFC 4291 section 2.5.5.2)."""
        packed = ipaddress.ip_address(address.partition("%")[0]).packed
        if self._family == socket.AF_INET6 and len(packed) == 4:
            packed = _MAPPED + packed
        return socket.inet_ntop(socket.AF_INET if len(packed) == 4 else socket.AF_INET6, packed)

    def open(self) -> SocketPair:
        """Raises `NoPorts`."""
        tries = len(self._pairs) if self._pairs else _EPHEMERAL_TRIES
        for _ in range(tries):
            port = 0
            if self._pairs:
                port = self._pairs[self._next % len(self._pairs)]
                self._next += 1
            pair = self._try(port)
            if pair is not None:
                return pair
        raise NoPorts(f"no free pair of UDP ports on {self.address} after {tries} tries")

    def _try(self, port: int) -> SocketPair | None:
        rtp = self._bind(port)
        if rtp is None:
            return None
        bound: int = rtp.getsockname()[1]
        rtcp = self._bind(bound + 1) if bound % 2 == 0 and bound < 65535 else None
        if rtcp is None:
            rtp.close()
            return None
        return SocketPair(rtp, rtcp)

    def _bind(self, port: int) -> socket.socket | None:
        made = socket.socket(self._family, socket.SOCK_DGRAM)
        try:
            made.setblocking(False)
            made.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, _RECEIVE_BUFFER)
            if _STAMPED:
                made.setsockopt(socket.SOL_SOCKET, SO_TIMESTAMPNS, 1)
            made.bind((self.address, port))
        except OSError:  # taken by somebody else: the next pair is tried
            made.close()
            return None
        return made
