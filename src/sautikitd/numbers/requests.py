"""What is asked of the numbers room: bodies and query parameters."""

import re
from collections.abc import Iterator, Sequence
from datetime import datetime
from typing import Annotated
from uuid import UUID

import msgspec
from msgspec import UNSET, UnsetType

from sautikitd.database.pool import Connection
from sautikitd.http.checks import Circumstances, Fault, lookup, present, rule
from sautikitd.http.fields import Cursor, Dialled, HttpUrl, Telephone
from sautikitd.http.pagination import Limit
from sautikitd.identity.principal import Principal
from sautikitd.numbering.parse import TelephoneNumber, parse_number
from sautikitd.numbers.lookup import is_of_the_platform, known_numbers
from sautikitd.numbers.models import CallbackFormat, NumberStatus, NumberType, VoiceMethod

_AREA_CODE = re.compile(r"0[0-9]{2}", re.ASCII)
_CONTAINS = re.compile(r"[0-9*]{1,20}", re.ASCII)


def _check_area_code(value: str) -> str | None:
    return None if _AREA_CODE.fullmatch(value) else "an area code has three digits, like 020"


def _check_contains(value: str) -> str | None:
    return None if _CONTAINS.fullmatch(value) else "1 to 20 digits, with * for any digits between"


def _check_label(value: str) -> str | None:
    return None if value.isprintable() else "printable characters only"


def _check_country(value: str) -> str | None:
    return None if value == "KE" else "numbers are available in KE only"


def _check_capability(value: str) -> str | None:
    return None if value == "voice" else "the one capability is voice"


async def unknown_numbers(
    connection: Connection, principal: Principal, number_ids: Sequence[UUID], place: str
) -> list[Fault]:
    """All but the workspace's numbers of the mode, released ones too; `place` is the list's."""
    known = await known_numbers(connection, principal.workspace_id, principal.mode, number_ids)
    problem = "there is no such number in this workspace and mode"
    return [Fault(f"{place}/{index}", problem) for index, one in enumerate(number_ids) if one not in known]


AreaCode = Annotated[
    str, msgspec.Meta(description="Like `020` for Nairobi.", extra={"check": _check_area_code})
]
Url = Annotated[HttpUrl, msgspec.Meta(min_length=1, description="An absolute URL; https in live mode.")]
Label = Annotated[
    str, msgspec.Meta(max_length=100, description="For your own use.", extra={"check": _check_label})
]


class AvailableQuery(msgspec.Struct, kw_only=True, forbid_unknown_fields=True):
    country: Annotated[str | None, msgspec.Meta(extra={"check": _check_country})] = None
    type: NumberType | None = None
    area_code: AreaCode | None = None
    contains: Annotated[
        str | None,
        msgspec.Meta(
            description="Digits found in the number, national or international; `*` stands for any digits.",
            extra={"check": _check_contains},
        ),
    ] = None
    capability: Annotated[str | None, msgspec.Meta(extra={"check": _check_capability})] = None
    limit: Limit = 25
    cursor: Cursor = None


class NumbersQuery(msgspec.Struct, kw_only=True, forbid_unknown_fields=True):
    status: Annotated[
        NumberStatus | None, msgspec.Meta(description="Only these; without it all that are not released.")
    ] = None
    limit: Limit = 25
    cursor: Cursor = None


class ClaimNumber(msgspec.Struct, kw_only=True, forbid_unknown_fields=True):
    """Exactly one of `e164`, `inventory_id` and `area_code` (any free number of it)."""

    e164: Telephone | None = None
    inventory_id: UUID | None = None
    area_code: AreaCode | None = None
    voice_callback_url: Url | None = None
    events_url: Url | None = None
    label: Label = ""

    @rule
    def names_one_number(self, _: Circumstances) -> Iterator[Fault]:
        given = present(self, ("e164", "inventory_id", "area_code"))
        if len(given) != 1:
            place = given[1] if given else "e164"
            yield Fault(f"/{place}", "give exactly one of e164, inventory_id and area_code")


class Routing(msgspec.Struct, kw_only=True, forbid_unknown_fields=True):
    """Where the number's calls go. What is left out gets its default."""

    voice_callback_url: Url | None = None
    voice_method: VoiceMethod = VoiceMethod.POST
    callback_format: CallbackFormat = CallbackFormat.SAUTIKIT
    fallback_url: Url | None = None
    status_callback_url: Url | None = None
    events_url: Url | None = None
    forward_to: Dialled | None = None
    record_calls: bool = False
    label: Label = ""

    @lookup
    async def goes_to_an_ordinary_phone(
        self, connection: Connection, principal: Principal, now: datetime
    ) -> list[Fault]:
        return await _refuse_ourselves(connection, principal, self.forward_to)


class RoutingPatch(msgspec.Struct, kw_only=True, forbid_unknown_fields=True):
    """Changes to where the number's calls go. What is left out stays; null clears."""

    voice_callback_url: Url | UnsetType | None = UNSET
    voice_method: VoiceMethod | UnsetType = UNSET
    callback_format: CallbackFormat | UnsetType = UNSET
    fallback_url: Url | UnsetType | None = UNSET
    status_callback_url: Url | UnsetType | None = UNSET
    events_url: Url | UnsetType | None = UNSET
    forward_to: Dialled | UnsetType | None = UNSET
    record_calls: bool | UnsetType = UNSET
    label: Label | UnsetType = UNSET

    @lookup
    async def goes_to_an_ordinary_phone(
        self, connection: Connection, principal: Principal, now: datetime
    ) -> list[Fault]:
        return await _refuse_ourselves(connection, principal, self.forward_to)


async def _refuse_ourselves(
    connection: Connection, principal: Principal, raw: str | UnsetType | None
) -> list[Fault]:
    """Calls to one of the platform's own numbers would go round in circles."""
    number = parse_number(raw, test_mode=principal.mode == "test") if raw else None
    if not isinstance(number, TelephoneNumber):
        return []
    if not await is_of_the_platform(connection, principal.mode, number.e164):
        return []
    problem = "a number of this platform; forward to an ordinary phone, or use a `dial` action"
    return [Fault("/forward_to", problem)]
