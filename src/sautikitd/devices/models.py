"""Devices as the database holds them: their credentials, and where they are."""

from collections.abc import Mapping
from datetime import datetime
from uuid import UUID

import msgspec

from sautikitd.events.models import Mode


class CredentialRecord(msgspec.Struct, frozen=True, kw_only=True):
    """One row of `sip_credentials`, without its secret. With `expires_at` it is a token's."""

    id: UUID
    workspace_id: UUID
    mode: Mode
    number_id: UUID
    username: str
    label: str
    identity: str | None
    expires_at: datetime | None
    rotated_at: datetime | None
    registered_at: datetime | None
    created_at: datetime


class NewSecret(msgspec.Struct, frozen=True, kw_only=True):
    """A credential and its password, which is nowhere else and cannot be shown again."""

    credential: CredentialRecord
    password: str

    def __repr__(self) -> str:
        return f"NewSecret({self.credential.username!r}, …)"


class Proof(msgspec.Struct, frozen=True, kw_only=True):
    """What a device that says it is `credential` has to know: HA1 by algorithm (RFC 7616 §3.4.2)."""

    credential: CredentialRecord
    digests: Mapping[str, str]

    def __repr__(self) -> str:
        return f"Proof({self.credential.username!r}, …)"


class Whereabouts(msgspec.Struct, frozen=True, kw_only=True):
    """Where a REGISTER came from, and to which of our nodes."""

    node_id: UUID
    transport: str  # udp, tcp, tls, ws, wss
    host: str
    port: int


class Binding(msgspec.Struct, frozen=True, kw_only=True):
    """A device that can be rung: its Contact (the Request-URI for it), and the way there."""

    id: UUID
    credential_id: UUID
    contact: str
    node_id: UUID
    transport: str
    host: str
    port: int
    user_agent: str
    registered_at: datetime
    expires_at: datetime
