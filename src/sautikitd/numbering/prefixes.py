"""Prefixes of destinations that a workspace may call, such as `256` or `1876`."""

import re

from phonenumbers import COUNTRY_CODE_TO_REGION_CODE

_PREFIX = re.compile(r"[1-9][0-9]{0,14}")


def country_of_prefix(prefix: str) -> str | None:
    """Whose numbers begin with these digits: `KE`, `001` for a network of no country; None: nobody's.

    One to fifteen digits without `+`, beginning with an assigned country code (E.164). Of countries that share a
    code, as those of +1 do, the first stands for all.
    """
    if not _PREFIX.fullmatch(prefix):
        return None
    codes = (int(prefix[:length]) for length in range(1, min(3, len(prefix)) + 1))
    return next(
        (COUNTRY_CODE_TO_REGION_CODE[code][0] for code in codes if code in COUNTRY_CODE_TO_REGION_CODE), None
    )
