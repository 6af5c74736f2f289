"""What an API key looks like: `tsk_live_` or `tsk_test_`, 34 random base62 characters, 6 of checksum.

The checksum is the CRC32 (the one of zlib, ISO 3309) of the ASCII bytes of everything before it, as six
base62 digits, the most significant first, left-padded with `0`; the digits are 0–9, A–Z, a–z. So a scanner
tells a leaked key from a look-alike, and we a mistyped one, without asking a database.
"""

import re
import secrets
import zlib
from typing import cast

from sautikitd.events.models import Mode

ALPHABET = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
_RANDOM = 34  # 34 × log2(62) = 202 bits
_CHECKSUM = 6
LONGEST = 49  # characters of a key
_SHAPE = re.compile(r"tsk_(live|test)_[0-9A-Za-z]{40}", re.ASCII)


def new_key(mode: Mode) -> str:
    start = f"tsk_{mode}_" + "".join(secrets.choice(ALPHABET) for _ in range(_RANDOM))
    return start + checksum(start)


def mode_of(key: str) -> Mode | None:
    """The mode of a well-formed key, judged offline; None for anything else, a single wrong character included."""
    shape = _SHAPE.fullmatch(key)
    if shape is None or checksum(key[:-_CHECKSUM]) != key[-_CHECKSUM:]:
        return None
    return cast(Mode, shape.group(1))


def hint_of(key: str) -> str:
    """`tsk_test_Ab…x9Zk`: enough to recognise a key, not to use it."""
    return f"{key[:11]}…{key[-4:]}"


def checksum(start: str) -> str:
    rest = zlib.crc32(start.encode("ascii"))
    digits = ""
    for _ in range(_CHECKSUM):
        rest, digit = divmod(rest, len(ALPHABET))
        digits = ALPHABET[digit] + digits
    return digits
