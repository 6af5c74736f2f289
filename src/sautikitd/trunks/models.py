"""A trunk as stored, as asked for, and as shown."""

from datetime import datetime
from enum import StrEnum
from uuid import UUID

import msgspec


class Transport(StrEnum):
    UDP = "udp"
    TCP = "tcp"


class Codec(StrEnum):
    """What the media plane speaks (RFC 3551 §6)."""

    PCMA = "PCMA"
    PCMU = "PCMU"


class Trunk(msgspec.Struct, frozen=True, kw_only=True):
    """`state` is what a voice node last saw: of the registration, or of an OPTIONS request. The password stays sealed."""

    id: UUID
    name: str
    host: str
    port: int
    transport: Transport
    username: str | None
    register: bool
    codecs: tuple[Codec, ...]
    source_cidrs: tuple[str, ...]
    enabled: bool
    state: str
    state_detail: str
    state_at: datetime | None
    created_at: datetime


class NewTrunk(msgspec.Struct, frozen=True, kw_only=True):
    """A trunk to be added. `password` needs `username`; `register` needs both."""

    name: str
    host: str
    port: int = 5060
    transport: Transport = Transport.UDP
    username: str | None = None
    password: str | None = None
    register: bool = False
    codecs: tuple[Codec, ...] = (Codec.PCMA, Codec.PCMU)
    source_cidrs: tuple[str, ...] = ()
