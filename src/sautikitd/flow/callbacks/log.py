"""The record of each voice callback: `GET /v1/calls/{id}/callbacks`, kept 30 days."""

from collections.abc import Mapping
from datetime import datetime
from enum import StrEnum
from typing import Protocol
from uuid import UUID

import msgspec

LOGGED_BYTES = 4096


class CallbackOutcome(StrEnum):
    OK = "ok"
    STATUS = "status"  # an answer, but not 2xx
    INVALID = "invalid"  # 2xx, but no flow
    IGNORED = "ignored"  # the last report: whatever came back
    REFUSED = "refused"
    DNS = "dns"
    CONNECT = "connect"
    TLS = "tls"
    TIMEOUT = "timeout"
    RESET = "reset"
    TOO_LARGE = "too_large"
    PROTOCOL = "protocol"


class CallbackEntry(msgspec.Struct, frozen=True, kw_only=True):
    """One HTTP attempt. Sensitive digits are masked; `response_body` holds at most 4 KiB, as text."""

    call_id: UUID
    requested_at: datetime
    attempt: int
    method: str
    url: str
    request_body: str
    outcome: CallbackOutcome
    duration_ms: int
    status: int | None = None
    response_headers: Mapping[str, str] = {}
    response_body: str = ""
    error: str = ""


class CallbackLog(Protocol):
    def record(self, entry: CallbackEntry) -> None:
        """Takes the entry to be stored. Must neither block nor raise: a caller is waiting on the line."""
        ...
