"""Whose packets a leg takes, and where it sends: symmetric RTP (RFC 4961) with latching.

The rule. The address of the SDP is taken at its first valid packet, always. Any other address is taken
only after three packets in a row, with one SSRC, while nothing has been latched, or while the latched
source has been silent for two seconds. So a NAT is followed, a moved phone is found again, and a stray or
hostile sender cannot take over a stream that is alive.
"""

Address = tuple[str, int]
SocketAddress = tuple[str, int] | tuple[str, int, int, int]

STREAK = 3
RELEARN_AFTER_S = 2.0


class Latch:
    """`pinned` takes the announced address and no other: the far end is one of our own."""

    def __init__(self, announced: Address, *, pinned: bool = False) -> None:
        self.announced = announced
        self._pinned = pinned
        self.source: SocketAddress | None = None
        self._candidate: tuple[SocketAddress, int] | None = None
        self._streak = 0

    @property
    def target(self) -> SocketAddress:
        """Where to send: the learned source, until then the announced address."""
        return self.source or self.announced

    def accepts(self, address: SocketAddress, ssrc: int, *, silent_s: float) -> bool:
        """Whether a valid packet from `address` counts; `silent_s` is how long the latched source has been quiet."""
        if address == self.source:
            self._candidate = None
            return True
        if address[:2] == self.announced:
            self._take(address)
            return True
        if self._pinned or (self.source is not None and silent_s < RELEARN_AFTER_S):
            return False
        self._streak = self._streak + 1 if self._candidate == (address, ssrc) else 1
        self._candidate = (address, ssrc)
        if self._streak < STREAK:
            return False
        self._take(address)
        return True

    def _take(self, address: SocketAddress) -> None:
        self.source = address
        self._candidate = None
        self._streak = 0
