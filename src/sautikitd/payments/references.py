"""What people type as the account at a Paybill, read forgivingly (contract §12, Top-ups)."""

import re
import secrets

import msgspec

from sautikitd.identity.account_reference import is_account_reference

_ALPHABET = "ABCDEFGHIJKLMNOPQRSTUVWXYZ234567"
"""Base32 of RFC 4648 §6. It has no 0, 1 or 8, so these can only have been meant as the letters they look like."""

_TOPUP = re.compile(f"T[{_ALPHABET}]{{9}}")
_LETTERS = str.maketrans("018", "OIB")
_DIGITS = str.maketrans("OQIL", "0011")
_SEPARATORS = re.compile(r"[\s\-_./,:#'\"]+")
_LONGEST = 60


class WorkspaceReference(msgspec.Struct, frozen=True):
    """Eight digits with a right check digit: some workspace's account."""

    digits: str


class TopUpReference(msgspec.Struct, frozen=True):
    """`T` and nine of base32: one top-up's."""

    text: str


def topup_reference() -> str:
    """A new one: 45 random bits, ten characters, within the twelve an STK push may show (`mpesa.md` §3.1)."""
    return "T" + "".join(secrets.choice(_ALPHABET) for _ in range(9))


def read_reference(typed: str) -> WorkspaceReference | TopUpReference | None:
    """Spaces, dashes, case, and the letter O for a nought are forgiven; a wrong check digit is not."""
    text = _SEPARATORS.sub("", typed[:_LONGEST]).upper()
    digits = text.translate(_DIGITS)
    if is_account_reference(digits):
        return WorkspaceReference(digits)
    letters = text.translate(_LETTERS)
    return TopUpReference(letters) if _TOPUP.fullmatch(letters) else None
