"""API keys: the record, what it looks like outside, and what is asked for."""

import difflib
import ipaddress
from datetime import datetime
from enum import StrEnum
from typing import Annotated
from uuid import UUID

import msgspec

from sautikitd.database.pool import Connection
from sautikitd.events.models import Mode
from sautikitd.http.checks import Fault, lookup
from sautikitd.identity.principal import SCOPE_ALIASES, Principal, Role, Scope
from sautikitd.numbers.requests import unknown_numbers
from sautikitd.timestamps import rfc3339, shown

Network = ipaddress.IPv4Network | ipaddress.IPv6Network
_MAPPED_BITS = 96  # that say of an IPv6 address that there is an IPv4 address in it
MAX_OVERLAP_SECONDS = 30 * 86_400


class KeyState(StrEnum):
    ACTIVE = "active"
    EXPIRED = "expired"
    REVOKED = "revoked"


class KeyRecord(msgspec.Struct, frozen=True, kw_only=True):
    """A stored key. `number_ids` and `source_cidrs`: None is no restriction."""

    id: UUID
    workspace_id: UUID
    mode: Mode
    name: str
    key_hint: str
    scopes: frozenset[str]
    number_ids: frozenset[UUID] | None
    source_cidrs: tuple[Network, ...] | None
    created_by: UUID | None
    maker_role: Role | None  # of `created_by`, today; None: the operator's key, or its maker has left
    rolled_to: UUID | None
    expires_at: datetime | None
    revoked_at: datetime | None
    last_used_at: datetime | None
    created_at: datetime
    suspended: bool
    ahead_seconds: int = 0  # of the workspace's test clock

    def state(self, now: datetime) -> KeyState:
        if self.revoked_at is not None or (self.created_by is not None and self.maker_role is None):
            return KeyState.REVOKED
        if self.expires_at is not None and self.expires_at <= now:
            return KeyState.EXPIRED
        return KeyState.ACTIVE


class NewKey(msgspec.Struct, frozen=True, kw_only=True):
    """A key to be made."""

    workspace_id: UUID
    mode: Mode
    name: str
    scopes: frozenset[str]
    expires_at: datetime | None = None
    number_ids: frozenset[UUID] | None = None
    source_cidrs: tuple[Network, ...] | None = None
    created_by: UUID | None = None


class ApiKey(msgspec.Struct, kw_only=True):
    """An API key, without the key itself."""

    id: UUID
    name: str
    mode: Mode
    hint: str
    scopes: list[str]
    number_ids: list[UUID] | None
    source_cidrs: list[str] | None
    state: KeyState
    rolled_to: UUID | None
    expires_at: str | None
    revoked_at: str | None
    last_used_at: str | None
    created_at: str


def _check_name(name: str) -> str | None:
    return None if name.strip() and name.isprintable() else "printable characters, not only spaces"


def _check_scope(scope: str) -> str | None:
    if scope in set(Scope) or scope in SCOPE_ALIASES:
        return None
    nearest = difflib.get_close_matches(scope, [*Scope, *SCOPE_ALIASES], n=1)
    if nearest:
        return f"not a scope; did you mean `{nearest[0]}`?"
    return f"not a scope; they are {', '.join(Scope)}"


def _check_cidr(cidr: str) -> str | None:
    return None if network_of(cidr) else "not an address or network like 197.248.0.0/16"


class CreateApiKey(msgspec.Struct, kw_only=True, forbid_unknown_fields=True):
    """A key to be made, of the mode of the key that asks."""

    name: Annotated[
        str,
        msgspec.Meta(
            min_length=1, max_length=100, description="What the key is for.", extra={"check": _check_name}
        ),
    ]
    scopes: Annotated[
        list[Annotated[str, msgspec.Meta(extra={"check": _check_scope})]],
        msgspec.Meta(min_length=1, max_length=50, description="What it may do; `*` is everything."),
    ]
    expires_at: (
        Annotated[datetime, msgspec.Meta(tz=True, description="RFC 3339; null: it does not expire.")] | None
    ) = None
    number_ids: (
        Annotated[
            list[UUID],
            msgspec.Meta(
                min_length=1, max_length=1000, description="The numbers it is limited to; null: all."
            ),
        ]
        | None
    ) = None
    source_cidrs: (
        Annotated[
            list[Annotated[str, msgspec.Meta(extra={"check": _check_cidr})]],
            msgspec.Meta(
                min_length=1, max_length=50, description="Where it may be used from; null: from anywhere."
            ),
        ]
        | None
    ) = None

    @lookup
    async def expires_later(self, connection: Connection, principal: Principal, now: datetime) -> list[Fault]:
        return [Fault("/expires_at", "in the past")] if self.expires_at and self.expires_at <= now else []

    @lookup
    async def numbers_are_known(
        self, connection: Connection, principal: Principal, now: datetime
    ) -> list[Fault]:
        return await unknown_numbers(connection, principal, self.number_ids or (), "/number_ids")


class RollApiKey(msgspec.Struct, kw_only=True, forbid_unknown_fields=True):
    """How to roll a key."""

    overlap_seconds: Annotated[
        int,
        msgspec.Meta(
            ge=0, le=MAX_OVERLAP_SECONDS, description="How long the old key stays valid. A day by default."
        ),
    ] = 86_400


class ApiKeyShown(msgspec.Struct):
    api_key: ApiKey


class ApiKeyMade(msgspec.Struct):
    """The key itself is in `key`, now and never again."""

    api_key: ApiKey
    key: str


def canonical_scopes(scopes: list[str]) -> frozenset[str]:
    return frozenset(str(SCOPE_ALIASES.get(scope, scope)) for scope in scopes)


def network_of(text: str) -> Network | None:
    """`10.1.2.3` or `10.0.0.0/8`, host bits allowed; None for what is neither. An IPv4-mapped network (RFC 4291 §2.5.5.2)
    is the IPv4 network in it, as whom it is compared with has an IPv4 address."""
    try:
        network = ipaddress.ip_network(text, strict=False)
    except ValueError:
        return None
    mapped = network.network_address.ipv4_mapped if network.version == 6 else None
    if mapped is None or network.prefixlen < _MAPPED_BITS:
        return network
    return ipaddress.IPv4Network((int(mapped), network.prefixlen - _MAPPED_BITS))


def show(key: KeyRecord, now: datetime) -> ApiKey:
    return ApiKey(
        id=key.id,
        name=key.name,
        mode=key.mode,
        hint=key.key_hint,
        scopes=sorted(key.scopes),
        number_ids=None if key.number_ids is None else sorted(key.number_ids),
        source_cidrs=None if key.source_cidrs is None else [str(cidr) for cidr in key.source_cidrs],
        state=key.state(now),
        rolled_to=key.rolled_to,
        expires_at=shown(key.expires_at),
        revoked_at=shown(key.revoked_at),
        last_used_at=shown(key.last_used_at),
        created_at=rfc3339(key.created_at),
    )
