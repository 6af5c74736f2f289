"""The one question every dialled number passes, whoever dials it: may this workspace call it?

Asked by the API, by voice actions, `forward_to`, transfers, REFER and SIP devices (contract §12, Destinations).
"""

from collections.abc import Mapping, Sequence

import msgspec

from sautikitd.errors import FieldProblem, Invalid
from sautikitd.events.models import Mode
from sautikitd.numbering.emergency import is_emergency
from sautikitd.numbering.errors import DestinationForbidden, EmergencyUnsupported
from sautikitd.numbering.parse import NumberClass, TelephoneNumber, parse_number
from sautikitd.numbering.problems import BadNumber

_ORDINARY = frozenset({NumberClass.GEOGRAPHIC, NumberClass.MOBILE})
_NAMES = {
    NumberClass.TOLL_FREE: "a toll-free number",
    NumberClass.PREMIUM: "a premium-rate number",
    NumberClass.SHARED_COST: "a shared-cost number",
    NumberClass.SATELLITE: "a satellite number",
    NumberClass.OTHER: "a special service",
}


class Destination(msgspec.Struct, frozen=True, kw_only=True):
    """A number that may be called. `country` is ISO 3166, `001` for networks of no country."""

    e164: str
    country: str
    kind: NumberClass


def authorise_destination(
    raw: str, allowed_prefixes: Sequence[str], *, mode: Mode = "live", pointer: str = "/to"
) -> Destination:
    """The destination, or a refusal.

    `allowed_prefixes` are leading digits without `+`. A country's code opens its geographic and mobile numbers;
    its premium, shared-cost, toll-free and special numbers need a prefix that names them, longer than the
    code. Satellite networks are open when their own code is among the prefixes.

    Raises `EmergencyUnsupported` before anything else is looked at, `Invalid` at `pointer` for what is no
    number, `DestinationForbidden` for what is not open.
    """
    (destination,) = open_destinations(
        {pointer: read_destination(raw, mode=mode, pointer=pointer)}, allowed_prefixes
    )
    return destination


def read_destination(raw: str, *, mode: Mode, pointer: str = "/to") -> TelephoneNumber:
    """The number, open or not. Raises `EmergencyUnsupported` and `Invalid`."""
    if is_emergency(raw):
        raise EmergencyUnsupported
    number = parse_number(raw, test_mode=mode == "test")
    if isinstance(number, BadNumber):
        raise Invalid(fields=[FieldProblem(pointer, number.reason)])
    return number


def open_destinations(
    numbers: Mapping[str, TelephoneNumber], allowed_prefixes: Sequence[str]
) -> list[Destination]:
    """`numbers` by where they stand in the request. Raises `DestinationForbidden`, which names all that are not open."""
    closed = {place: one for place, one in numbers.items() if not _is_open(one, allowed_prefixes)}
    if closed:
        raise DestinationForbidden(
            fields=[FieldProblem(place, f"{_what(one)}, which is not open") for place, one in closed.items()],
            called=", ".join(f"{one.e164} ({_what(one)})" for one in closed.values()),
            open=", ".join(f"+{prefix}" for prefix in allowed_prefixes) or "no destinations at all",
        )
    return [Destination(e164=one.e164, country=one.country, kind=one.kind) for one in numbers.values()]


def _what(number: TelephoneNumber) -> str:
    return _NAMES.get(number.kind, f"a number in {number.country}")


def _is_open(number: TelephoneNumber, allowed_prefixes: Sequence[str]) -> bool:
    digits = number.e164[1:]
    needed = 1 if number.kind in _ORDINARY else len(str(number.country_code)) + 1
    if number.kind is NumberClass.SATELLITE:
        needed = len(str(number.country_code))
    return any(len(prefix) >= needed and digits.startswith(prefix) for prefix in allowed_prefixes)
