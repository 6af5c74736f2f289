"""Download links that need no key and end by themselves: the store's own where it signs, else ours.

Ours is `/v1/recordings/download/{token}`, the token being base64url of
`expires (8 bytes, unix seconds) ‖ object key (UTF-8) ‖ HMAC-SHA256 (32 bytes)` over all before it.
"""

import base64
import binascii
import hashlib
import hmac
from datetime import datetime, timedelta
from math import ceil
from uuid import UUID

import msgspec

from sautikitd.recordings.errors import LinkExpired, LinkInvalid
from sautikitd.recordings.store import RecordingStore

DOWNLOAD_PATH = "/v1/recordings/download"

_STAMP = 8
_MAC = 32
_CONTEXT = b"sautikit recording link 1\0"


class Link(msgspec.Struct, frozen=True):
    url: str
    expires_at: datetime


class Links:
    def __init__(self, store: RecordingStore, *, signing_key: bytes, public_url: str) -> None:
        """`signing_key`: at least 32 secret bytes, the same in every process. `public_url`: the API's own, without `/v1`."""
        if len(signing_key) < 32:
            raise ValueError("the signing key of recording links needs at least 32 bytes")
        self._store = store
        self._key = signing_key
        self._public_url = public_url.rstrip("/")

    async def link(self, object_key: str, now: datetime, lifetime: timedelta) -> Link:
        """A link that downloads the object. Raises one of `StoreUnavailable`."""
        expires_at = now + lifetime
        if self._store.signs:
            return Link(await self._store.sign(object_key, lifetime), expires_at)
        return Link(f"{self._public_url}{DOWNLOAD_PATH}/{self.token(object_key, expires_at)}", expires_at)

    def media_url(self, recording_id: UUID) -> str:
        """The API's own address of its sound: for ever, and for who has a key."""
        return f"{self._public_url}/v1/recordings/{recording_id}/media"

    def token(self, object_key: str, expires: datetime) -> str:
        signed = ceil(expires.timestamp()).to_bytes(_STAMP, "big") + object_key.encode()
        return _text(signed + self._mac(signed))

    def object_key(self, token: str, now: datetime) -> str:
        """The key a token stands for. Raises `LinkInvalid` for a token we did not make, `LinkExpired` for an old one."""
        try:
            raw = base64.b64decode(token + "=" * (-len(token) % 4), altchars=b"-_", validate=True)
        except (binascii.Error, ValueError) as exc:
            raise LinkInvalid from exc
        signed, mac = raw[:-_MAC], raw[-_MAC:]
        if not hmac.compare_digest(mac, self._mac(signed)) or _text(raw) != token:
            raise LinkInvalid
        if now.timestamp() >= int.from_bytes(signed[:_STAMP], "big"):
            raise LinkExpired
        return signed[_STAMP:].decode()

    def _mac(self, signed: bytes) -> bytes:
        return hmac.new(self._key, _CONTEXT + signed, hashlib.sha256).digest()


def _text(raw: bytes) -> str:
    return base64.urlsafe_b64encode(raw).decode().rstrip("=")
