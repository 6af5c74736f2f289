"""Emergency numbers, recognised in whatever they are written as, before anything else looks at them.

This platform cannot reach a dispatcher with a caller's place, so it refuses loudly rather than fail quietly
(contract §3). 999 and 112 are Kenya's (CA numbering plan); 911 is dialled by habit.
"""

import re
import unicodedata
from urllib.parse import unquote

EMERGENCY_NUMBERS = frozenset({"999", "112", "911"})
_KENYA = "254"
_ADDRESS = re.compile(r"<([^>]*)>")
_SCHEME = re.compile(r"^\s*(?:tel|sips?):(?://)?", re.IGNORECASE)
_AFTER_NUMBER = re.compile(r"[@;:,?#*a-z]", re.IGNORECASE)


def is_emergency(raw: str) -> bool:
    """True for 999, 112 and 911 in any form.

    With the country code or without (`+254 999`, `254112`, `00254-911`), with trunk zeros, spaces, dashes or
    digits of another script, as `tel:` (RFC 3966) or `sip:` address, percent-encoded, with parameters,
    extensions or a display name.
    """
    return _dialled(raw) in EMERGENCY_NUMBERS


def _dialled(raw: str) -> str:
    address = _ADDRESS.search(raw)
    text = _SCHEME.sub("", address.group(1) if address else raw)
    for _ in range(2):  # a proxy may have encoded it once more
        text = unquote(text)
    text = unicodedata.normalize("NFKC", text).strip()
    number = _AFTER_NUMBER.split(text, maxsplit=1)[0]
    digits = "".join(str(unicodedata.digit(c)) for c in number if unicodedata.digit(c, None) is not None)
    national = digits.lstrip("0")
    return national[len(_KENYA) :].lstrip("0") if national.startswith(_KENYA) else national
