"""What clients send: the body of `POST /v1/calls` and the filters of the lists."""

import re
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Annotated, Any, Literal
from uuid import UUID

import msgspec

from sautikitd.flow.document import FlowInvalid
from sautikitd.flow.reader import read_actions
from sautikitd.flow.verbs.addresses import UrlTerms
from sautikitd.http.checks import Circumstances, Fault, present, rule
from sautikitd.http.fields import Cursor, Dialled, HttpUrl, Telephone
from sautikitd.http.json_body import UNSTORABLE, holds_unstorable
from sautikitd.http.pagination import Limit
from sautikitd.http.time_window import TimeWindow

_CONTROL = re.compile(r"[\x00-\x1f\x7f]")
_DIGITS = re.compile(r"[0-9*#A-Da-dwW]{1,100}")
_RESERVED = ("mcp:", "broadcast:")
METADATA_LIMIT = 16 * 1024


def _check_client_request_id(value: str) -> str | None:
    if _CONTROL.search(value):
        return "holds control characters; leave them out"
    if value.startswith(_RESERVED):
        return "must not start with `mcp:` or `broadcast:`, which are reserved"
    return None


def _check_digits(value: str) -> str | None:
    return (
        None
        if not value or _DIGITS.fullmatch(value)
        else "up to 100 of 0-9 * # A-D, w (half a second) and W (a second)"
    )


def _check_metadata(value: dict[str, Any]) -> str | None:
    if holds_unstorable(value):
        return UNSTORABLE
    size = len(msgspec.json.encode(value))
    return None if size <= METADATA_LIMIT else f"is {size} bytes of JSON; at most {METADATA_LIMIT} are kept"


def _check_actions(actions: list[Any], given: Circumstances) -> Iterator[Fault]:
    terms = UrlTerms(live=given.mode == "live", allow_private=given.allow_private_urls)
    flow = read_actions(actions, "", terms)
    for one in flow.problems if isinstance(flow, FlowInvalid) else ():
        hint = f"; did you mean `{one.suggestion}`?" if one.suggestion else ""
        yield Fault(one.pointer, one.reason + hint)


ClientRequestId = Annotated[str, msgspec.Meta(max_length=5000, extra={"check": _check_client_request_id})]
SendDigits = Annotated[str, msgspec.Meta(extra={"check": _check_digits})]
Metadata = Annotated[dict[str, Any], msgspec.Meta(extra={"check": _check_metadata})]
Actions = Annotated[list[Any], msgspec.Meta(extra={"policy": _check_actions})]
Url = Annotated[HttpUrl, msgspec.Meta(max_length=4096)]
_BY_THE_CONTROLLER = ("hold_audio_url", "control_timeout_ms", "opening_actions", "fallback_actions")
_BY_A_CALLBACK = ("voice_callback_url", "fallback_url", "status_callback_url")


class RecordOptions(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """`dual` has the far end on the left and our side on the right."""

    channels: Literal["mono", "dual"] = "mono"


class PlaceCall(
    msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, rename={"from_": "from"}
):
    """A call to place. `to` is one number or up to ten rung together: the first to answer wins.

    `control: "mcp"` makes it a controlled call, driven through `control/events` and `control/respond`: on answer the
    `opening_actions` run, and whenever actions have run out a turn is told and the caller hears `hold_audio_url` (else
    nothing) until it is answered, for at most `control_timeout_ms` (10,000). After the second turn in a row that
    nobody answered the `fallback_actions` run (else a short apology is spoken), and the call ends.
    """

    from_: Telephone
    to: Dialled | Annotated[list[Dialled], msgspec.Meta(min_length=1, max_length=10)]
    webhook_url: Url | None = None
    voice_callback_url: Url | None = None
    fallback_url: Url | None = None
    status_callback_url: Url | None = None
    actions: Actions | None = None
    caller_id: Telephone | None = None
    client_request_id: ClientRequestId | None = None
    timeout_seconds: Annotated[int, msgspec.Meta(ge=5, le=120)] = 60
    max_duration_seconds: Annotated[int, msgspec.Meta(ge=1, le=14_400)] = 14_400
    record: bool | RecordOptions = False
    machine_detection: Literal["off", "detect", "detect_message_end"] = "off"
    send_digits: SendDigits = ""
    callback_format: Literal["sautikit", "africastalking", "twilio"] | None = None
    metadata: Metadata | None = None
    expires_in_seconds: Annotated[int, msgspec.Meta(ge=1, le=86_400)] = 3600
    control: Literal["mcp"] | None = None
    hold_audio_url: Url | None = None
    control_timeout_ms: Annotated[int, msgspec.Meta(ge=1000, le=60_000)] | None = None
    opening_actions: Actions | None = None
    fallback_actions: Actions | None = None

    @property
    def targets(self) -> list[str]:
        return [self.to] if isinstance(self.to, str) else self.to

    @property
    def channels(self) -> str | None:
        """`mono`, `dual`, or None for no recording."""
        if isinstance(self.record, RecordOptions):
            return self.record.channels
        return "mono" if self.record else None

    @rule
    def names_each_number_once(self, _: Circumstances) -> Iterator[Fault]:
        if len(set(self.targets)) != len(self.targets):
            yield Fault("/to", "names the same number twice")

    @rule
    def says_who_drives_it(self, _: Circumstances) -> Iterator[Fault]:
        if self.control is None:
            for name in present(self, _BY_THE_CONTROLLER):
                yield Fault(f"/{name}", 'is for controlled calls; say `control: "mcp"` with it')
            return
        for name in present(self, _BY_A_CALLBACK):
            problem = "cannot be given with `control`: the controller drives the call, not a callback"
            yield Fault(f"/{name}", problem)
        if present(self, ["actions"]):
            yield Fault("/actions", "cannot be given with `control`; use `opening_actions`")


def read_time(value: str) -> datetime:
    """RFC 3339 or Unix seconds. Raises `ValueError`."""
    if re.fullmatch(r"\d{1,12}", value):
        return datetime.fromtimestamp(int(value), UTC)
    moment = datetime.fromisoformat(value)
    return moment if moment.tzinfo else moment.replace(tzinfo=UTC)


def _check_time(value: str) -> str | None:
    try:
        read_time(value)
    except (ValueError, OverflowError):
        return "must be an RFC 3339 time such as 2026-11-23T09:30:00Z, or Unix seconds"
    return None


_STATUSES = ("queued", "ringing", "answered", "completed", "failed", "no_answer", "busy", "canceled")


def _check_statuses(value: str) -> str | None:
    unknown = [status for status in value.split(",") if status not in _STATUSES]
    if not unknown:
        return None
    names = ", ".join(f"`{status}`" for status in unknown)
    return f"unknown status {names}; known are {', '.join(_STATUSES)}"


class ListCalls(TimeWindow, kw_only=True, forbid_unknown_fields=True):
    limit: Limit = 25
    cursor: Cursor = None
    status: (
        Annotated[str, msgspec.Meta(extra={"check": _check_statuses}, description="Comma list.")] | None
    ) = None
    direction: Literal["inbound", "outbound"] | None = None
    q: (
        Annotated[
            str, msgspec.Meta(max_length=64, description="Part of the far number or of the session id.")
        ]
        | None
    ) = None
    session_id: str | None = None
    number_id: UUID | None = None
    parent_call_id: UUID | None = None
    format: Literal["json", "csv"] = "json"


def _check_since(value: str) -> str | None:
    return None if value in ("today", "7d", "month") else _check_time(value)


class StatsQuery(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    since: Annotated[
        str, msgspec.Meta(extra={"check": _check_since}, description="today, 7d, month or a time.")
    ] = "today"
    bucket: Literal["hour", "day"] | None = None
