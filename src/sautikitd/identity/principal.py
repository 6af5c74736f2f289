"""Who is asking: the outcome of authentication, the same for every room."""

from enum import StrEnum
from typing import Literal
from uuid import UUID

import msgspec

from sautikitd.events.models import Mode


class Scope(StrEnum):
    """What a key may do. `*` is everything; each endpoint names the one it needs."""

    ALL = "*"
    NUMBERS_READ = "numbers.read"
    NUMBERS_WRITE = "numbers.write"
    CALLS_READ = "calls.read"
    CALLS_WRITE = "calls.write"
    CALLS_SUPERVISE = "calls.supervise"
    RECORDINGS_READ = "recordings.read"
    WALLET_READ = "wallet.read"
    WALLET_TOPUP = "wallet.topup"
    WALLET_WRITE = "wallet.write"
    WEBHOOKS_READ = "webhooks.read"
    WEBHOOKS_WRITE = "webhooks.write"
    WEBRTC_TOKEN = "webrtc.token"


# The original's names for scopes that we call otherwise (contract §2).
SCOPE_ALIASES = {"numbers.claim": Scope.NUMBERS_WRITE, "webhooks.manage": Scope.WEBHOOKS_WRITE}


class Role(StrEnum):
    """What a member of a workspace may do (contract §2)."""

    OWNER = "owner"
    MEMBER = "member"
    VIEWER = "viewer"


_READING = {
    Scope.NUMBERS_READ,
    Scope.CALLS_READ,
    Scope.RECORDINGS_READ,
    Scope.WALLET_READ,
    Scope.WEBHOOKS_READ,
}

# What a key of such a person may not do, whatever its scopes: rights are scopes cut by the maker's present role.
WITHHELD: dict[Role, frozenset[str]] = {
    Role.OWNER: frozenset(),
    Role.MEMBER: frozenset({Scope.WALLET_TOPUP, Scope.WALLET_WRITE}),
    Role.VIEWER: frozenset(set(Scope) - _READING),
}


class Principal(msgspec.Struct, frozen=True, kw_only=True):
    """An API key that has proved itself, with its workspace."""

    kind: Literal["api_key"] = "api_key"
    id: UUID
    workspace_id: UUID
    mode: Mode
    scopes: frozenset[str]
    role: Role = Role.OWNER  # its maker's, today; the operator's own keys have an owner's
    number_ids: frozenset[UUID] | None = None  # None: every number of the workspace
    suspended: bool = False
    ahead_seconds: int = 0  # how far the workspace's test clock has been moved; 0 in live mode

    def may(self, scope: str) -> bool:
        return scope not in WITHHELD[self.role] and (Scope.ALL in self.scopes or scope in self.scopes)

    def may_use_number(self, number_id: UUID) -> bool:
        return self.number_ids is None or number_id in self.number_ids
