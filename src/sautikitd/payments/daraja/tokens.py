"""The access token, one for every process: fetching a new one kills the one before (`mpesa.md` §2)."""

import asyncio
from datetime import timedelta

import msgspec

from sautikitd.clock import Clock
from sautikitd.database.pool import Database
from sautikitd.events.models import Mode
from sautikitd.secretbox import SecretBox

_MARGIN = timedelta(minutes=3)
_FETCHING = timedelta(seconds=20)
_POLL_SECONDS = 0.1
_POLLS = 250


class Token(msgspec.Struct, frozen=True):
    value: str
    generation: int

    def __repr__(self) -> str:
        return f"Token(generation {self.generation})"


class FetchedToken(msgspec.Struct, frozen=True):
    value: str
    lifetime: timedelta


class TokenStore:
    """Keeps the token in the database, encrypted. Who finds none takes a lease to fetch one; the others wait for him.

    No lock and no transaction is held while Daraja is asked.
    """

    def __init__(self, database: Database, box: SecretBox, clock: Clock) -> None:
        self._database = database
        self._box = box
        self._clock = clock

    async def current(self, mode: Mode) -> Token | None:
        """The token while it is good for three more minutes, else None."""
        async with self._database.connection() as connection:
            row = await connection.fetchrow(_CURRENT, mode, self._clock.now() + _MARGIN)
        if row is None:
            return None
        plain = self._box.open(row["token_encrypted"], context=_context(mode))
        return Token(plain.decode(), row["generation"])

    async def claim(self, mode: Mode) -> bool:
        """True for the one who is to fetch a token now. His claim lapses after 20 s."""
        now = self._clock.now()
        async with self._database.connection() as connection:
            return bool(await connection.fetchval(_CLAIM, mode, now, now + _FETCHING, now + _MARGIN))

    async def store(self, mode: Mode, fetched: FetchedToken) -> Token:
        sealed = self._box.seal(fetched.value.encode(), context=_context(mode))
        expires_at = self._clock.now() + fetched.lifetime
        async with self._database.connection() as connection:
            generation = await connection.fetchval(_STORE, mode, sealed, expires_at)
        return Token(fetched.value, generation)

    async def give_up(self, mode: Mode) -> None:
        """Ends a claim that fetched nothing."""
        async with self._database.connection() as connection:
            await connection.execute(_GIVE_UP, mode)

    async def invalidate(self, mode: Mode, token: Token) -> None:
        """Daraja called this one invalid. A newer one is left alone."""
        async with self._database.connection() as connection:
            await connection.execute(_INVALIDATE, mode, token.generation)

    async def wait_for_other(self, mode: Mode) -> Token | None:
        """The token another process is fetching; None when it does not come or the other gave up."""
        for _ in range(_POLLS):
            await asyncio.sleep(_POLL_SECONDS)
            if token := await self.current(mode):
                return token
            async with self._database.connection() as connection:
                if not await connection.fetchval(_BEING_FETCHED, mode, self._clock.now()):
                    return None
        return None


def _context(mode: Mode) -> str:
    return f"daraja token {mode}"


_CURRENT = """
SELECT token_encrypted, generation FROM daraja_tokens
WHERE mode = $1 AND expires_at > $2 AND token_encrypted IS NOT NULL
"""

_CLAIM = """
UPDATE daraja_tokens SET fetching_until = $3
WHERE mode = $1 AND fetching_until <= $2 AND (expires_at IS NULL OR expires_at <= $4) RETURNING true
"""

_STORE = """
UPDATE daraja_tokens
SET token_encrypted = $2, expires_at = $3, generation = generation + 1, fetching_until = '-infinity'
WHERE mode = $1 RETURNING generation
"""

_GIVE_UP = "UPDATE daraja_tokens SET fetching_until = '-infinity' WHERE mode = $1"

_INVALIDATE = "UPDATE daraja_tokens SET expires_at = '-infinity' WHERE mode = $1 AND generation = $2"

_BEING_FETCHED = "SELECT fetching_until > $2 FROM daraja_tokens WHERE mode = $1"
