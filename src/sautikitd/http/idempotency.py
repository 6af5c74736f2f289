"""Idempotency keys (contract §1, §12): the answer is stored in the transaction of its effect, for 24 hours."""

import hashlib
import re
from collections.abc import Iterator
from datetime import datetime, timedelta

import msgspec

from sautikitd.database.changing import Change
from sautikitd.database.pool import Connection
from sautikitd.http.checks import Fault
from sautikitd.http.errors import IdempotencyConflict, IdempotencyInProgress, IdempotencyKeyInvalid
from sautikitd.identity.principal import Principal
from sautikitd.secretbox import SecretBox

LIFETIME = timedelta(hours=24)
_TAKEN = "SK001"  # the SQLSTATE of a key that somebody else has answered under meanwhile
_VALID = re.compile(r"[\x21-\x7e]{1,255}")


class StoredAnswer(msgspec.Struct, array_like=True):
    status: int
    body: bytes
    headers: dict[str, str]
    secret: bool


class Idempotency:
    def __init__(self, box: SecretBox) -> None:
        self._box = box

    @staticmethod
    def fingerprint(method: str, path: str, query: bytes, body: bytes) -> bytes:
        """SHA-256 over method, path, query and raw body, each with its length, so that no two requests share one."""
        digest = hashlib.sha256()
        for part in (method.encode(), path.encode(), query, body):
            digest.update(len(part).to_bytes(8, "big") + part)
        return digest.digest()

    @staticmethod
    def faults(key: str) -> Iterator[Fault]:
        if not _VALID.fullmatch(key):
            yield Fault("Idempotency-Key", "must be 1 to 255 visible ASCII characters", IdempotencyKeyInvalid)

    @staticmethod
    async def refuse_another(
        connection: Connection, principal: Principal, key: str, fingerprint: bytes, now: datetime
    ) -> None:
        """Raises `IdempotencyConflict` where the key has the answer of another request than this one."""
        place = (principal.workspace_id, principal.mode, key)
        known = await connection.fetchval(_FINGERPRINT, *place, now)
        if known is not None and known != fingerprint:
            raise IdempotencyConflict

    async def find(
        self, connection: Connection, principal: Principal, key: str, fingerprint: bytes, now: datetime
    ) -> StoredAnswer | None:
        """Takes the key for this transaction. Returns the stored answer where the request was answered before."""
        place = f"{principal.workspace_id}/{principal.mode}/{key}"
        row = await connection.fetchrow(
            "SELECT * FROM take_idempotency_key($1, $2, $3, $4, $5)",
            _lock_of(place),
            principal.workspace_id,
            principal.mode,
            key,
            now,
        )
        if not row["taken"]:
            raise IdempotencyInProgress
        if row["fingerprint"] is None:
            return None
        if row["fingerprint"] != fingerprint:
            raise IdempotencyConflict
        plain = self._box.open(row["answer_encrypted"], context=f"idempotency {place}")
        answer = msgspec.msgpack.decode(plain, type=StoredAnswer)
        if answer.secret and row["principal"] != str(principal.id):
            raise IdempotencyConflict
        return answer

    def store(
        self,
        change: Change,
        principal: Principal,
        key: str,
        fingerprint: bytes,
        answer: StoredAnswer,
        now: datetime,
    ) -> None:
        """With the commit of the change, which raises `IdempotencyInProgress` where the key has another answer by then."""
        place = f"{principal.workspace_id}/{principal.mode}/{key}"
        sealed = self._box.seal(msgspec.msgpack.encode(answer), context=f"idempotency {place}")
        row = (principal.workspace_id, principal.mode, key, fingerprint, str(principal.id))
        values = (*row, answer.status, sealed, now, now + LIFETIME)
        change.at_last("store_idempotent_answer", *values, otherwise={_TAKEN: IdempotencyInProgress})


def _lock_of(place: str) -> int:
    return int.from_bytes(hashlib.sha256(place.encode()).digest()[:8], "big", signed=True)


_FINGERPRINT = """
SELECT fingerprint FROM idempotency_keys
WHERE workspace_id = $1 AND mode = $2 AND key = $3 AND expires_at > $4
"""
