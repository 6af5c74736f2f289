"""Usernames of devices: random, and recognisable, so that who tries `100` or `admin` is not even asked for a secret."""

import hashlib
import re
import secrets

_ALPHABET = "23456789abcdefghjkmnpqrstvwxyz"
_RANDOM, _CHECK = 12, 2
_SHAPE = re.compile(f"d[{_ALPHABET}]{{{_RANDOM + _CHECK}}}")


def new_username() -> str:
    """`d`, twelve random characters and two that check them, such as `d7k3m9qx2hfbtr4c`."""
    body = "d" + "".join(secrets.choice(_ALPHABET) for _ in range(_RANDOM))
    return body + _check_of(body)


def is_username(text: str) -> bool:
    """Whether we may have given it out. Anybody can work the check out: it keeps scanners out, not attackers."""
    return _SHAPE.fullmatch(text) is not None and _check_of(text[:-_CHECK]) == text[-_CHECK:]


def _check_of(body: str) -> str:
    digest = hashlib.sha256(b"sautikit device " + body.encode()).digest()
    return "".join(_ALPHABET[byte % len(_ALPHABET)] for byte in digest[:_CHECK])
