"""ICE-lite (RFC 8445 section 2.5): we have one host candidate, answer the far end's checks, and send to the
address it nominates for as long as it goes on checking."""

from sautikitd.voice.media.ice.stun import Attribute, Kind, StunMessage, build_stun, parse_stun, xor_address
from sautikitd.voice.media.rtp.latch import SocketAddress
from sautikitd.voice.media.terms import IceTerms

CONSENT_S = 30.0
"""Without an authenticated check for this long nothing is sent any more (RFC 7675 section 5.1): a lite agent does
not check for itself, and a far end that is there does so each few seconds."""
_REPLACED_AFTER_S = 8.0  # a nominated address that has not checked for so long gives way to any other
_MOST_ADDRESSES = 16
_ROLE_CONFLICT = b"\x00\x00\x04\x57Role Conflict"
_UNAUTHORIZED = b"\x00\x00\x04\x01Unauthorized"
_UNKNOWN_ATTRIBUTE = b"\x00\x00\x04\x14Unknown Attribute"
_UNDERSTOOD = set(Attribute)


class IceLite:
    """Of one leg."""

    def __init__(self, terms: IceTerms) -> None:
        self.terms = terms
        self.nominated: SocketAddress | None = None
        self.rejected = 0  # checks without the right credentials, and what is no STUN at all
        self._priority = 0
        self._checked: dict[SocketAddress, float] = {}  # when each address last proved itself, monotonic

    def proven(self, address: SocketAddress) -> bool:
        """Whether somebody with our password answers for this address."""
        return address in self._checked

    def consents(self, now: float) -> bool:
        """Whether the nominated address may be sent to."""
        return self.nominated is not None and now - self._checked[self.nominated] < CONSENT_S

    def take(self, data: bytes, address: SocketAddress, now: float) -> bytes | None:
        """A datagram that looks like STUN; the answer to send back, if any."""
        message = parse_stun(data)
        if message is None or message.kind not in (Kind.BINDING_REQUEST, Kind.BINDING_INDICATION):
            self.rejected += 1
            return None
        if message.kind == Kind.BINDING_INDICATION:  # a keep-alive: nothing is answered (RFC 8445 section 11)
            return None
        if not self._authentic(message):
            self.rejected += 1
            return _error(message, _UNAUTHORIZED, None)
        return self._check(message, address, now)

    def _authentic(self, message: StunMessage) -> bool:
        """RFC 8445 section 7.3: the user name is ours and theirs, the integrity by our password."""
        terms = self.terms
        expected = f"{terms.local_ufrag}:{terms.remote_ufrag}".encode()
        return (
            message.fingerprinted
            and message.get(Attribute.USERNAME) == expected
            and message.has_integrity(terms.local_password)
        )

    def _check(self, message: StunMessage, address: SocketAddress, now: float) -> bytes:
        password = self.terms.local_password
        unknown = [name for name, _ in message.attributes if name < 0x8000 and name not in _UNDERSTOOD]
        if unknown:
            listed = b"".join(name.to_bytes(2, "big") for name in unknown)
            return _error(message, _UNKNOWN_ATTRIBUTE, password, (Attribute.UNKNOWN_ATTRIBUTES, listed))
        if message.get(Attribute.ICE_CONTROLLED) is not None:
            # A lite agent is always controlled, so the other has to take the lead (RFC 8445 section 7.3.1.1).
            return _error(message, _ROLE_CONFLICT, password)
        if address in self._checked or len(self._checked) < _MOST_ADDRESSES:
            self._checked[address] = now
            if message.get(Attribute.USE_CANDIDATE) is not None:
                self._nominate(message, address, now)
        mapped = xor_address(address[0], address[1], message.transaction)
        return build_stun(
            *(Kind.BINDING_SUCCESS, message.transaction, ((Attribute.XOR_MAPPED_ADDRESS, mapped),), password)
        )

    def _nominate(self, message: StunMessage, address: SocketAddress, now: float) -> None:
        """The pair of highest priority among those nominated (RFC 8445 section 8.1.1, aggressive nomination of
        RFC 5245 included); one that has gone quiet counts no more."""
        value = message.get(Attribute.PRIORITY) or b""
        priority = int.from_bytes(value, "big") if len(value) == 4 else 0
        current = self.nominated
        if (
            current is None
            or address == current
            or priority >= self._priority
            or now - self._checked[current] > _REPLACED_AFTER_S
        ):
            self.nominated, self._priority = address, priority


def _error(message: StunMessage, error: bytes, password: str | None, *more: tuple[int, bytes]) -> bytes:
    return build_stun(
        Kind.BINDING_ERROR, message.transaction, ((Attribute.ERROR_CODE, error), *more), password
    )
