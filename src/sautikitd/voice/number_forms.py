"""How a trunk writes telephone numbers. Ours are E.164 with the plus; each carrier has its own habits."""

import re
from enum import StrEnum

import msgspec

HOME_CODE = "254"
TRUNK_PREFIX = "0"
ABROAD_PREFIX = "000"
"""Kenya's own: 0 before a national number, 000 before a foreign one (numbering plan of the Communications Authority)."""

_E164 = re.compile(r"\+[0-9]{1,15}", re.ASCII)


class NumberForm(StrEnum):
    PLUS = "plus"  # +254712345678
    DIGITS = "digits"  # 254712345678
    NATIONAL = "national"  # 0712345678, and 00044… for abroad


class Addressing(msgspec.Struct, frozen=True, kw_only=True):
    """What a trunk wants in its INVITEs: the forms of the called number and the caller's, steering digits before the
    called one, and who stands in From where that is not the caller at our own address."""

    called: NumberForm = NumberForm.PLUS
    called_prefix: str = ""
    caller: NumberForm = NumberForm.PLUS
    from_user: str | None = None
    from_domain: str | None = None


def written(number: str, form: NumberForm, prefix: str = "") -> str:
    """An E.164 number as the trunk wants it; what is no such number (a SIP user, `anonymous`) stays as it is.

    +254712345678 is `0712345678` in the national form, and with the prefix 9901 `99010712345678`.
    """
    if not _E164.fullmatch(number):
        return number
    digits = number[1:]
    if form is NumberForm.NATIONAL:
        home = digits.startswith(HOME_CODE)
        return prefix + (TRUNK_PREFIX + digits.removeprefix(HOME_CODE) if home else ABROAD_PREFIX + digits)
    return prefix + (digits if form is NumberForm.DIGITS else number)
