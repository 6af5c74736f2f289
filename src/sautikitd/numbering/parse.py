"""Telephone numbers, read as people in Kenya write them and kept as E.164."""

import re
from enum import StrEnum
from functools import lru_cache

import msgspec
import phonenumbers
from phonenumbers import NumberParseException, PhoneNumber, PhoneNumberType

from sautikitd.numbering.problems import BadNumber, NumberProblem

KENYA = "KE"
_LONGEST = 40
_WRITTEN = re.compile(r"\+?[0-9(][0-9 ().\-\u00a0\u2011\u2013]*", re.ASCII)
# Kenya dials abroad with 000 (CA numbering plan); the 00 of most other countries is taken for it,
# since no Kenyan number starts so. phonenumbers knows only the first.
_INTERNATIONAL = re.compile(r"^0{2,3}(?=[1-9])")
_TEST_NUMBER = re.compile(r"\+2542000000\d\d", re.ASCII)


class NumberClass(StrEnum):
    """What kind of line a number reaches, as far as its country's plan tells."""

    GEOGRAPHIC = "geographic"
    MOBILE = "mobile"
    TOLL_FREE = "toll_free"
    PREMIUM = "premium"
    SHARED_COST = "shared_cost"
    SATELLITE = "satellite"
    OTHER = "other"


class TelephoneNumber(msgspec.Struct, frozen=True, kw_only=True):
    """`e164` with its +; `country` is ISO 3166, or `001` for networks of no country."""

    e164: str
    country: str
    country_code: int
    kind: NumberClass


def parse_number(raw: str, *, test_mode: bool = False) -> TelephoneNumber | BadNumber:
    """Reads `+254712345678`, `0712 345 678`, `254712345678`, `00254…`, `000254…` or any number of another country with
    its code. In test mode every +2542000000xx is a number, whatever the plan says.

    Letters, extensions and digits of other scripts are refused, though phonenumbers would take them: they
    stand for a mistake more often than for a number (the letter O for a nought).
    """
    text = raw.strip()
    if not text:
        return BadNumber(NumberProblem.EMPTY)
    if len(text) > _LONGEST:
        return BadNumber(NumberProblem.TOO_LONG)
    return _parse(text, test_mode)


@lru_cache(maxsize=4096)  # the same callers and callees come again, and the plans do not change while we run
def _parse(text: str, test_mode: bool) -> TelephoneNumber | BadNumber:
    if not _WRITTEN.fullmatch(text):
        return BadNumber(NumberProblem.CHARACTERS)
    digits = re.sub(r"[^0-9]", "", text)
    dialled = f"+{digits}" if text.startswith("+") else _INTERNATIONAL.sub("+", digits)
    try:
        parsed = phonenumbers.parse(dialled, KENYA)
    except NumberParseException as exc:
        return BadNumber(_PARSE_PROBLEMS.get(exc.error_type, NumberProblem.NOT_A_NUMBER))
    e164 = phonenumbers.format_number(parsed, phonenumbers.PhoneNumberFormat.E164)
    if not phonenumbers.is_valid_number(parsed) and not (test_mode and _TEST_NUMBER.fullmatch(e164)):
        return BadNumber(_why_invalid(parsed))
    return TelephoneNumber(
        e164=e164,
        country=phonenumbers.region_code_for_number(parsed) or "001",
        country_code=parsed.country_code or 0,
        kind=_class_of(parsed),
    )


def _why_invalid(parsed: PhoneNumber) -> NumberProblem:
    possible = phonenumbers.is_possible_number_with_reason(parsed)
    return _LENGTH_PROBLEMS.get(possible, NumberProblem.NOT_IN_PLAN)


def _class_of(parsed: PhoneNumber) -> NumberClass:
    if parsed.country_code in _SATELLITE:
        return NumberClass.SATELLITE
    return _CLASSES.get(phonenumbers.number_type(parsed), NumberClass.OTHER)


# ITU-T E.164 Annex D: Inmarsat, the global mobile satellite system, and the shared international networks, which are sold
# at satellite prices.
_SATELLITE = {870, 881, 882, 883}

_CLASSES = {
    PhoneNumberType.FIXED_LINE: NumberClass.GEOGRAPHIC,
    PhoneNumberType.MOBILE: NumberClass.MOBILE,
    PhoneNumberType.FIXED_LINE_OR_MOBILE: NumberClass.GEOGRAPHIC,
    PhoneNumberType.TOLL_FREE: NumberClass.TOLL_FREE,
    PhoneNumberType.PREMIUM_RATE: NumberClass.PREMIUM,
    PhoneNumberType.SHARED_COST: NumberClass.SHARED_COST,
}

_PARSE_PROBLEMS = {
    NumberParseException.INVALID_COUNTRY_CODE: NumberProblem.COUNTRY_CODE,
    NumberParseException.TOO_SHORT_AFTER_IDD: NumberProblem.TOO_SHORT,
    NumberParseException.TOO_SHORT_NSN: NumberProblem.TOO_SHORT,
    NumberParseException.TOO_LONG: NumberProblem.TOO_LONG,
}

_LENGTH_PROBLEMS = {
    phonenumbers.ValidationResult.TOO_SHORT: NumberProblem.TOO_SHORT,
    phonenumbers.ValidationResult.TOO_LONG: NumberProblem.TOO_LONG,
    phonenumbers.ValidationResult.INVALID_COUNTRY_CODE: NumberProblem.COUNTRY_CODE,
}
