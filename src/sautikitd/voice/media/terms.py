"""What is agreed with a far end about the protection of its media, on its way to the media process."""

from enum import StrEnum

import msgspec

from sautikitd.voice.media.crypto.suites import Suite


class SrtpTerms(msgspec.Struct, frozen=True, kw_only=True):
    """Keys from the SDP (RFC 4568): each 16 bytes of key and 14 of salt."""

    local_suite: Suite
    local_key: bytes
    remote_suite: Suite
    remote_key: bytes

    def __repr__(self) -> str:
        return f"SrtpTerms({self.local_suite}, {self.remote_suite}, keys hidden)"


class DtlsRole(StrEnum):
    CLIENT = "client"  # begins the handshake: `a=setup:active`
    SERVER = "server"


class DtlsTerms(msgspec.Struct, frozen=True, kw_only=True):
    """Our role, and the far end's certificate as (hash function, digest in hexadecimal with colons), any of them."""

    role: DtlsRole
    fingerprints: tuple[tuple[str, str], ...]


class IceTerms(msgspec.Struct, frozen=True, kw_only=True):
    """The credentials of connectivity checks. `remote_lite`: it does not check either, and both send to the
    addresses of the SDP."""

    local_ufrag: str
    local_password: str
    remote_ufrag: str
    remote_lite: bool = False

    def __repr__(self) -> str:
        return f"IceTerms({self.local_ufrag}:{self.remote_ufrag}, password hidden)"
