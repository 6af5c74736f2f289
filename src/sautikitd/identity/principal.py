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


class Principal(msgspec.Struct, frozen=True, kw_only=True):
    """An API key that has proved itself, with its workspace."""

    kind: Literal["api_key"] = "api_key"
    id: UUID
    workspace_id: UUID
    mode: Mode
    scopes: frozenset[str]
    number_ids: frozenset[UUID] | None = None  # None: every number of the workspace
    suspended: bool = False

    def may(self, scope: str) -> bool:
        return Scope.ALL in self.scopes or scope in self.scopes

    def may_use_number(self, number_id: UUID) -> bool:
        return self.number_ids is None or number_id in self.number_ids
