"""A trunk as stored, as asked for, and as shown."""

from datetime import datetime
from enum import StrEnum
from uuid import UUID

import msgspec

from sautikitd.voice.media_encryption import MediaEncryption
from sautikitd.voice.number_forms import NumberForm

CHANNEL = "trunks"
"""The NOTIFY channel that tells voice nodes of a trunk that was added, changed or removed."""


class Transport(StrEnum):
    UDP = "udp"
    TCP = "tcp"
    TLS = "tls"


class Codec(StrEnum):
    """What the media plane speaks (RFC 3551 §6, RFC 7587)."""

    PCMA = "PCMA"
    PCMU = "PCMU"
    G722 = "G722"
    OPUS = "opus"


class TrunkState(StrEnum):
    UNKNOWN = "unknown"  # nobody has looked yet
    OK = "ok"
    TRYING = "trying"
    FAILED = "failed"  # comes last when a call looks for its way


class InboundNumber(StrEnum):
    """Where a trunk writes the number that was called."""

    REQUEST_URI = "request_uri"
    TO = "to"
    P_CALLED_PARTY_ID = "p_called_party_id"  # RFC 7315 §4.2


class TrunkTerms(msgspec.Struct, frozen=True, kw_only=True):
    """What the operator says of a trunk. Columns and fields carry the same names.

    ping: False for a carrier that leaves OPTIONS unanswered; then only calls tell that it is down.
    srv: whether the host, or the proxy, is a domain whose SRV records say where; the port goes for one without.
    proxy_host: requests go there instead, with `host` in their URIs. tls_ca: PEM; None trusts what the system trusts.
    from_user: a fixed user in From; the caller's number then stands in P-Asserted-Identity alone.
    prefixes: digits of E.164 numbers without the plus; empty takes every call. Of several trunks the one with the
    longest match goes first, then the lowest priority, then by weight. max_channels counts live calls both ways,
    max_cps INVITEs out; None is no cap.
    """

    host: str
    port: int = 5060
    srv: bool = False
    transport: Transport = Transport.UDP
    proxy_host: str | None = None
    proxy_port: int | None = None
    tls_ca: str | None = None
    tls_name: str | None = None
    media_encryption: MediaEncryption = MediaEncryption.NONE
    codecs: tuple[Codec, ...] = (Codec.PCMA, Codec.PCMU)
    username: str | None = None
    register: bool = False
    ping: bool = True
    from_user: str | None = None
    from_domain: str | None = None
    source_cidrs: tuple[str, ...] = ()
    priority: int = 10
    weight: int = 1
    prefixes: tuple[str, ...] = ()
    max_channels: int | None = None
    max_cps: float | None = None
    called_form: NumberForm = NumberForm.PLUS
    called_prefix: str = ""
    caller_form: NumberForm = NumberForm.PLUS
    inbound_number: InboundNumber = InboundNumber.REQUEST_URI
    enabled: bool = True


class Trunk(TrunkTerms, frozen=True, kw_only=True):
    """`state` is what a voice node last saw: of the registration, of OPTIONS, of calls. The password stays sealed."""

    id: UUID
    name: str
    state: TrunkState
    state_detail: str
    state_at: datetime | None
    created_at: datetime

    @property
    def next_host(self) -> str:
        """The machine that requests go to."""
        return self.proxy_host or self.host

    @property
    def next_port(self) -> int:
        return self.proxy_port or self.port


class NewTrunk(TrunkTerms, frozen=True, kw_only=True):
    """A trunk to be added. `password` needs `username`; `register` needs both."""

    name: str
    password: str | None = None
