"""Secrets of the installation itself, made on the first start and sealed under the master keys."""

import os
from dataclasses import dataclass

from sautikitd.database.pool import Connection
from sautikitd.secretbox import CannotDecrypt, SecretBox

_CANARY = "canary"
_NAMES = (_CANARY, "key_pepper", "session_id_key")


class WrongMasterKeys(Exception):
    """This database was sealed under a master key that is not configured. Put that key back into the file of
    SAUTIKIT_MASTER_KEYS (several may stand in it, the first encrypts), or point to the right database."""


@dataclass(frozen=True, kw_only=True, repr=False)
class InstanceSecrets:
    """Each is 32 random bytes, the same in every process of the installation."""

    key_pepper: bytes  # of the HMAC under which API keys are stored
    session_id_key: bytes  # of the permutation that makes session ids of a sequence

    @classmethod
    async def load(cls, connection: Connection, box: SecretBox) -> "InstanceSecrets":
        """Makes what is missing, then opens all. Several processes may do so at once: the first one's stay.

        Raises `WrongMasterKeys`, with nothing changed, when the canary does not open.
        """
        async with connection.transaction():
            for name in _NAMES:
                await connection.execute(_MAKE, name, box.seal(os.urandom(32), context=_context(name)))
            rows = await connection.fetch("SELECT name, value_encrypted FROM instance_secrets")
            sealed = {row["name"]: row["value_encrypted"] for row in rows}
            try:
                opened = {name: box.open(sealed[name], context=_context(name)) for name in _NAMES}
            except CannotDecrypt as exc:
                raise WrongMasterKeys(WrongMasterKeys.__doc__) from exc
        return cls(key_pepper=opened["key_pepper"], session_id_key=opened["session_id_key"])


def _context(name: str) -> str:
    return f"instance {name}"


_MAKE = "INSERT INTO instance_secrets (name, value_encrypted) VALUES ($1, $2) ON CONFLICT (name) DO NOTHING"
