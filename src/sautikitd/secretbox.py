"""Secrets that must be read back, encrypted at rest: AES-256-GCM under the operator's master keys."""

import base64
import binascii
import hashlib
import os
from collections.abc import Sequence
from pathlib import Path

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

_NONCE = 12
_KEY_ID = 4


class MasterKeyInvalid(Exception):
    """A master key is 32 bytes in base64, one a line; make one with `sautikitd` or `openssl rand -base64 32`."""


class CannotDecrypt(Exception):
    """None of the configured master keys decrypts this value: a key is missing from SAUTIKIT_MASTER_KEYS."""


class SecretBox:
    """Encrypts under the first key; decrypts under any. A sealed value is key id (4 bytes), nonce (12), ciphertext."""

    def __init__(self, keys: Sequence[bytes]) -> None:
        if not keys or any(len(key) != 32 for key in keys):
            raise MasterKeyInvalid(MasterKeyInvalid.__doc__)
        self._ciphers = {_key_id(key): AESGCM(key) for key in keys}
        self._first = _key_id(keys[0])

    @classmethod
    def from_file(cls, path: Path) -> "SecretBox":
        try:
            keys = [base64.b64decode(line, validate=True) for line in path.read_text().split()]
        except (binascii.Error, UnicodeDecodeError) as exc:
            raise MasterKeyInvalid(f"{path}: {MasterKeyInvalid.__doc__}") from exc
        return cls(keys)

    def seal(self, plain: bytes, *, context: str) -> bytes:
        """`context` names the row (kind and id): a sealed value moved to another row does not open."""
        nonce = os.urandom(_NONCE)
        return self._first + nonce + self._ciphers[self._first].encrypt(nonce, plain, context.encode())

    def open(self, sealed: bytes, *, context: str) -> bytes:
        cipher = self._ciphers.get(sealed[:_KEY_ID])
        if cipher is None:
            raise CannotDecrypt(CannotDecrypt.__doc__)
        nonce, ciphertext = sealed[_KEY_ID : _KEY_ID + _NONCE], sealed[_KEY_ID + _NONCE :]
        try:
            return cipher.decrypt(nonce, ciphertext, context.encode())
        except InvalidTag as exc:
            raise CannotDecrypt(CannotDecrypt.__doc__) from exc


def make_key_file(path: Path) -> None:
    """Writes one new master key, mode 0600; raises `FileExistsError` rather than replace one."""
    path.parent.mkdir(parents=True, exist_ok=True)
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(descriptor, "wb") as file:
        file.write(base64.b64encode(os.urandom(32)) + b"\n")


def _key_id(key: bytes) -> bytes:
    return hashlib.sha256(b"sautikit master key id" + key).digest()[:_KEY_ID]
