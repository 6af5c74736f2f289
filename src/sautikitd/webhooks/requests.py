"""What clients send to the webhooks room."""

import difflib
from collections.abc import Collection, Iterator, Sequence
from datetime import datetime
from typing import Annotated
from uuid import UUID

import msgspec
from msgspec import UNSET, UnsetType

from sautikitd.database.pool import Connection
from sautikitd.events.kinds import SUBSCRIBABLE, EventKind
from sautikitd.http.checks import Circumstances, Fault, lookup, rule
from sautikitd.http.fields import Cursor, HttpUrl
from sautikitd.http.pagination import Limit
from sautikitd.http.time_window import Time, TimeWindow
from sautikitd.identity.principal import Principal
from sautikitd.numbers.requests import unknown_numbers
from sautikitd.timestamps import rfc3339
from sautikitd.webhooks.errors import EventUnsupported
from sautikitd.webhooks.models import LOG_KEPT, DeliveryStatus


def _check_event(name: str, _: Circumstances) -> Iterator[Fault]:
    if name == "*" or name in SUBSCRIBABLE:
        return
    yield Fault("", _not_an_event(name, SUBSCRIBABLE), EventUnsupported)


def _not_an_event(name: str, known: Collection[str]) -> str:
    nearest = _OLD_NAMES.get(name) or next(iter(difflib.get_close_matches(name, known, n=1)), None)
    return f"`{name}` is not an event{f'; did you mean `{nearest}`?' if nearest else ''}"


async def _strange_numbers(
    connection: Connection, principal: Principal, number_ids: Sequence[UUID] | UnsetType | None
) -> list[Fault]:
    """All but the workspace's numbers of the mode, released ones too, that the key may use."""
    if not number_ids:
        return []
    denied = [
        Fault(f"/number_ids/{index}", "this key may not use that number")
        for index, number_id in enumerate(number_ids)
        if not principal.may_use_number(number_id)
    ]
    told = {fault.place for fault in denied}
    unknown = await unknown_numbers(connection, principal, number_ids, "/number_ids")
    return denied + [fault for fault in unknown if fault.place not in told]


_OLD_NAMES = {"number.assigned": "number.provisioned", "call.recording.ready": "recording.ready"}

Url = Annotated[HttpUrl, msgspec.Meta(min_length=1, max_length=4096, description="An absolute http(s) URL.")]
Events = Annotated[
    list[Annotated[str, msgspec.Meta(extra={"policy": _check_event})]],
    msgspec.Meta(min_length=1, max_length=50, description='Names of events, or `["*"]` for all.'),
]
Numbers = Annotated[
    list[UUID],
    msgspec.Meta(min_length=1, max_length=100, description="Only events of these numbers; null for all."),
]
Description = Annotated[str, msgspec.Meta(max_length=500)]


class CreateWebhook(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    url: Url
    events: Events = msgspec.field(default_factory=lambda: ["*"])
    number_ids: Numbers | None = None
    description: Description = ""
    enabled: bool = True

    @lookup
    async def numbers_are_known(
        self, connection: Connection, principal: Principal, now: datetime
    ) -> list[Fault]:
        return await _strange_numbers(connection, principal, self.number_ids)


class ChangeWebhook(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What is left out stays as it is. Enabling starts the count of failures anew."""

    url: Url | UnsetType = UNSET
    events: Events | UnsetType = UNSET
    number_ids: Numbers | UnsetType | None = UNSET
    description: Description | UnsetType = UNSET
    enabled: bool | UnsetType = UNSET

    @lookup
    async def numbers_are_known(
        self, connection: Connection, principal: Principal, now: datetime
    ) -> list[Fault]:
        return await _strange_numbers(connection, principal, self.number_ids)


class Replay(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, rename={"from_": "from"}):
    """Sends the events that happened in [from, to) again; `to` is now when left out. `only_failed`: those that were
    never delivered and are not on their way, back to 30 days."""

    from_: Time
    to: Time | None = None
    only_failed: bool = False

    @rule
    def is_a_span_of_time(self, _: Circumstances) -> Iterator[Fault]:
        if self.to is not None and self.to <= self.from_:
            yield Fault("/to", "must be later than `from`")

    @lookup
    async def knows_what_failed(
        self, connection: Connection, principal: Principal, now: datetime
    ) -> list[Fault]:
        """What was delivered before is not known any more, and would be sent again."""
        if not self.only_failed or self.from_ >= now - LOG_KEPT:
            return []
        problem = f"with `only_failed` not before {rfc3339(now - LOG_KEPT)}: the delivery log keeps 30 days"
        return [Fault("/from", problem)]


def _check_kinds(value: str) -> str | None:
    """Names with commas between them."""
    return "; ".join(_not_an_event(name, _KINDS) for name in value.split(",") if name not in _KINDS) or None


_KINDS = frozenset(EventKind)
Kinds = Annotated[str, msgspec.Meta(extra={"check": _check_kinds}, description="Events; a comma list.")]


class ListDeliveries(TimeWindow, kw_only=True, forbid_unknown_fields=True):
    limit: Limit = 25
    cursor: Cursor = None
    status: DeliveryStatus | None = None
    kind: Kinds | None = None
    event_id: UUID | None = None


class ListEvents(TimeWindow, kw_only=True, forbid_unknown_fields=True):
    """`kind` takes several names with commas between them. Times are those of the event."""

    limit: Limit = 25
    cursor: Cursor = None
    kind: Kinds | None = None
    number_id: UUID | None = None
    call_id: UUID | None = None
