"""Session ids: `HD_` + 12 lowercase hex digits, a keyed permutation of a sequence.

48 random bits would collide by ten million calls; a permutation never does, and without the key
nobody can count our calls. Four Feistel rounds over two halves of 24 bits, HMAC-SHA256 as the round
function (Luby and Rackoff, 1988: four rounds make a strong pseudo-random permutation).
"""

import hashlib
import hmac
import re
from collections import deque

from sautikitd.calls import repository
from sautikitd.database.pool import Connection

_HALF = 24
_MASK = (1 << _HALF) - 1
_ROUNDS = 4
_AT_A_TIME = 32
"""Numbers a process takes from the sequence in one question; those it does not use are never used."""

_FORM = re.compile(r"HD_[0-9a-f]{12}")


class SessionIds:
    def __init__(self, key: bytes) -> None:
        self._keys = [
            hmac.digest(key, b"session id round %d" % number, hashlib.sha256) for number in range(_ROUNDS)
        ]
        self._numbers: deque[int] = deque()

    async def take(self, connection: Connection) -> str:
        """The id of a new call."""
        while not self._numbers:  # somebody else may have taken them all meanwhile
            self._numbers.extend(await repository.session_numbers(connection, _AT_A_TIME))
        return self.of(self._numbers.popleft())

    def of(self, number: int) -> str:
        """The id of the `number`-th call, 0 to 2**48 - 1."""
        if not 0 <= number < 1 << 2 * _HALF:
            raise ValueError(f"{number} does not fit into 48 bits")
        left, right = number >> _HALF, number & _MASK
        for key in self._keys:
            left, right = right, left ^ self._round(key, right)
        return f"HD_{left << _HALF | right:012x}"

    @staticmethod
    def _round(key: bytes, half: int) -> int:
        return int.from_bytes(hmac.digest(key, half.to_bytes(3, "big"), hashlib.sha256)[:3], "big")


def is_session_id(text: str) -> bool:
    return _FORM.fullmatch(text) is not None
