"""SRTP (RFC 3711) of one leg: two keys, one each way. What is forged or replayed is dropped and counted."""

from collections.abc import Callable

from pylibsrtp import Error, Policy, Session

from sautikitd.voice.media.crypto.suites import Suite

_REPLAY_WINDOW = 128  # packets, 2.5 s
_LARGEST_PACKET = 1300  # libsrtp's buffer, less what protection adds


class Opener:
    """Takes the protection off what the far end sends."""

    def __init__(self, suite: Suite, key: bytes) -> None:
        self.rejected = 0
        policy = Policy(key, Policy.SSRC_ANY_INBOUND, srtp_profile=suite.profile)
        policy.window_size = _REPLAY_WINDOW
        self._session = Session(policy)

    def rtp(self, data: bytes) -> bytes | None:
        """The plain packet; None for one that is not the far end's, or that came before."""
        try:
            return self._session.unprotect(data)
        except (Error, ValueError):  # ValueError: longer than any packet of ours
            self.rejected += 1
            return None

    def rtcp(self, data: bytes) -> bytes | None:
        try:
            return self._session.unprotect_rtcp(data)
        except (Error, ValueError):
            self.rejected += 1
            return None


class Sealer:
    """Protects what we send."""

    def __init__(self, suite: Suite, key: bytes) -> None:
        self._session = Session(Policy(key, Policy.SSRC_ANY_OUTBOUND, srtp_profile=suite.profile))

    def rtp(self, data: bytes) -> bytes | None:
        """None for a packet that may not be sent: the sequence number was used before, or it is too long."""
        return self._seal(self._session.protect, data)

    def rtcp(self, data: bytes) -> bytes | None:
        return self._seal(self._session.protect_rtcp, data)

    def _seal(self, protect: Callable[[bytes], bytes], data: bytes) -> bytes | None:
        if len(data) > _LARGEST_PACKET:
            return None
        try:
            return protect(data)
        except Error:
            return None
