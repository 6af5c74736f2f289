"""What lies between the plane and a far end that does not send plain RTP on two ports: ICE, DTLS, SRTP, and RTP and
RTCP on one port. The plane sees plain packets."""

import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

from sautikitd.voice.media.crypto.certificate import DtlsIdentity
from sautikitd.voice.media.crypto.dtls import DtlsLink, Keys
from sautikitd.voice.media.crypto.srtp import Opener, Sealer
from sautikitd.voice.media.crypto.suites import Suite
from sautikitd.voice.media.ice.lite import IceLite
from sautikitd.voice.media.leg import Leg
from sautikitd.voice.media.protocol import RemoteMedia
from sautikitd.voice.media.rtp.latch import Latch, SocketAddress
from sautikitd.voice.media.terms import DtlsTerms, IceTerms, SrtpTerms

RtcpHandler = Callable[[Leg, bytes, SocketAddress], None]
FailureHandler = Callable[[Leg, str], None]


def needs_line(remote: RemoteMedia) -> bool:
    return remote.mux or any(terms is not None for terms in (remote.srtp, remote.dtls, remote.ice))


class Line:
    """Of one leg, which it moves to the address that ICE finds."""

    def __init__(
        self,
        leg: Leg,
        identity: DtlsIdentity,
        thread: ThreadPoolExecutor,
        *,
        on_rtcp: RtcpHandler,
        on_failure: FailureHandler,
    ) -> None:
        self.mux = False
        self._leg = leg
        self._identity = identity
        self._thread = thread
        self._on_rtcp = on_rtcp
        self._on_failure = on_failure
        self._secured = False
        self._srtp: SrtpTerms | None = None
        self._opener: Opener | None = None
        self._sealer: Sealer | None = None
        self._ice: IceLite | None = None
        self._dtls: DtlsLink | None = None
        self._dtls_from: SocketAddress | None = None
        self._rejected = 0

    @property
    def rejected(self) -> int:
        """Packets that were forged, replayed, or from an address that did not prove itself."""
        counters = (self._opener, self._ice)
        return self._rejected + sum(counter.rejected for counter in counters if counter is not None)

    def configure(self, remote: RemoteMedia) -> None:
        """What was agreed, again whenever it changes; what stays the same goes on undisturbed."""
        self.mux = remote.mux
        self._secured = remote.srtp is not None or remote.dtls is not None
        self._configure_ice(remote.ice)
        self._configure_dtls(remote.dtls)
        if remote.srtp is not None:
            self._configure_srtp(remote.srtp)

    def close(self) -> None:
        if self._dtls is not None:
            self._dtls.close()

    # From the far end

    def take(self, data: memoryview, size: int, address: SocketAddress, now: float) -> int:
        """A datagram of the RTP port, at the beginning of `data`, by its first byte (RFC 7983 section 7). A plain
        RTP packet is left in its place, and its size returned; 0 when there is nothing for the plane."""
        first = data[0] if size else 0xFF
        if first < 4:
            self._take_stun(bytes(data[:size]), address, now)
        elif self._ice is not None and not self._ice.proven(address):
            self._rejected += 1
        elif 20 <= first < 64 and self._dtls is not None:
            self._dtls_from = address
            self._dtls.take(bytes(data[:size]))
        elif 128 <= first < 192 and size > 1:
            return self._take_rtp(data, size, address)
        return 0

    def _take_rtp(self, data: memoryview, size: int, address: SocketAddress) -> int:
        if self.mux and 192 <= data[1] < 224:  # RFC 5761 section 4
            plain = self.open_control(bytes(data[:size]))
            if plain is not None:
                self._on_rtcp(self._leg, plain, address)
            return 0
        if not self._secured:
            return size
        if self._opener is None:
            self._rejected += 1
            return 0
        opened = self._opener.rtp(bytes(data[:size]))
        if opened is None:
            return 0
        data[: len(opened)] = opened
        return len(opened)

    def open_control(self, data: bytes) -> bytes | None:
        """The plain RTCP packet."""
        if not self._secured:
            return data
        return self._opener.rtcp(data) if self._opener is not None and self._covers_control else None

    @property
    def _covers_control(self) -> bool:
        """Whether our keys are for RTCP too: with DTLS on two ports it would have a handshake of its own, which we
        do not offer and no phone needs (RFC 8834 section 4.5 asks for one port)."""
        return self._dtls is None or self.mux

    def _take_stun(self, data: bytes, address: SocketAddress, now: float) -> None:
        if self._ice is None:
            self._rejected += 1
            return
        before = self._ice.nominated
        answer = self._ice.take(data, address, now)
        if answer is not None:
            self._send_to(answer, address)
        if self._ice.nominated != before and self._ice.nominated is not None:
            self._move(self._ice.nominated)

    def _move(self, address: SocketAddress) -> None:
        latch = Latch(address[:2])
        latch.source = address
        self._leg.latch = latch
        self._leg.control.target = None
        self._leg.follow_latch()
        if self._dtls is not None:
            self._dtls.begin()

    # To the far end

    def seal(self, data: bytes) -> bytes | None:
        """The packet as it goes out; None while there is no way or no key."""
        if self._ice is not None and not self._may_send():
            return None
        if not self._secured:
            return data
        return self._sealer.rtp(data) if self._sealer is not None else None

    def seal_control(self, data: bytes) -> bytes | None:
        if self._ice is not None and not self._may_send():
            return None
        if not self._secured:
            return data
        return self._sealer.rtcp(data) if self._sealer is not None and self._covers_control else None

    def _may_send(self) -> bool:
        assert self._ice is not None
        return self._ice.terms.remote_lite or self._ice.consents(time.monotonic())

    def _send_to(self, data: bytes, address: SocketAddress | None) -> None:
        if address is None:
            return
        try:
            self._leg.sockets.rtp.sendto(data, address)
        except OSError:  # a datagram lost: the far end asks again
            return

    # What was agreed

    def _configure_ice(self, terms: IceTerms | None) -> None:
        if terms is None:
            self._ice = None
        elif self._ice is None or self._ice.terms != terms:
            if self._ice is not None:
                self._rejected += self._ice.rejected
            self._ice = IceLite(terms)

    def _configure_srtp(self, terms: SrtpTerms) -> None:
        """New keys of either side begin anew on that side alone (RFC 4568 section 7.1.4)."""
        before = self._srtp
        self._srtp = terms
        theirs = terms.remote_suite, terms.remote_key
        if before is None or (before.remote_suite, before.remote_key) != theirs:
            self._open_with(terms.remote_suite, terms.remote_key)
        if before is None or (before.local_suite, before.local_key) != (terms.local_suite, terms.local_key):
            self._sealer = Sealer(terms.local_suite, terms.local_key)

    def _open_with(self, suite: Suite, key: bytes) -> None:
        if self._opener is not None:
            self._rejected += self._opener.rejected
        self._opener = Opener(suite, key)

    def _configure_dtls(self, terms: DtlsTerms | None) -> None:
        if terms is None or (self._dtls is not None and self._dtls.terms == terms):
            return
        self.close()
        link = self._dtls = DtlsLink(
            self._identity,
            terms,
            self._thread,
            send=lambda data: self._send_to(data, self._leg.target if self._moved() else self._dtls_from),
            on_keys=self._on_keys,
            on_failure=lambda reason: self._on_failure(self._leg, reason),
        )
        if self._moved():
            link.begin()

    def _moved(self) -> bool:
        """Whether the leg's target is where the far end can be reached."""
        return self._ice is None or self._ice.nominated is not None or self._ice.terms.remote_lite

    def _on_keys(self, keys: Keys) -> None:
        self._open_with(keys.suite, keys.theirs)
        self._sealer = Sealer(keys.suite, keys.ours)
