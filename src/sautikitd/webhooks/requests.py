"""What clients send to the webhooks room."""

import difflib
from collections.abc import Iterator
from typing import Annotated
from uuid import UUID

import msgspec
from msgspec import UNSET, UnsetType

from sautikitd.events.kinds import EventKind
from sautikitd.http.pagination import Limit
from sautikitd.http.time_window import Time, TimeWindow
from sautikitd.webhooks.models import DeliveryStatus

Url = Annotated[str, msgspec.Meta(min_length=1, max_length=4096, description="An absolute http(s) URL.")]
Events = Annotated[
    list[str], msgspec.Meta(min_length=1, max_length=50, description='Names of events, or `["*"]` for all.')
]
Numbers = Annotated[
    list[UUID],
    msgspec.Meta(min_length=1, max_length=100, description="Only events of these numbers; null for all."),
]
Description = Annotated[str, msgspec.Meta(max_length=500)]
Cursor = Annotated[str | None, msgspec.Meta(description="`next_cursor` of the page before.")]


class CreateWebhook(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    url: Url
    events: Events = msgspec.field(default_factory=lambda: ["*"])
    number_ids: Numbers | None = None
    description: Description = ""
    enabled: bool = True


class ChangeWebhook(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What is left out stays as it is. Enabling starts the count of failures anew."""

    url: Url | UnsetType = UNSET
    events: Events | UnsetType = UNSET
    number_ids: Numbers | UnsetType | None = UNSET
    description: Description | UnsetType = UNSET
    enabled: bool | UnsetType = UNSET


class Replay(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, rename={"from_": "from"}):
    """Sends the events that happened in [from, to) again; `to` is now when left out. `only_failed`: those that were
    never delivered and are not on their way, back to 30 days."""

    from_: Time
    to: Time | None = None
    only_failed: bool = False

    def problems(self) -> Iterator[tuple[str, str]]:
        if self.to is not None and self.to <= self.from_:
            yield "to", "must be later than `from`"


class ListWebhooks(msgspec.Struct, kw_only=True, forbid_unknown_fields=True):
    limit: Limit = 25
    cursor: Cursor = None


def _check_kinds(value: str) -> str | None:
    """Names with commas between them."""
    strange = [name for name in value.split(",") if name not in _KINDS]
    if not strange:
        return None
    nearest = difflib.get_close_matches(strange[0], _KINDS, n=1)
    return f"`{strange[0]}` is not an event{f'; did you mean `{nearest[0]}`?' if nearest else ''}"


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
