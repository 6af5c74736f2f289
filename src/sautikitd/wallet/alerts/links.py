"""The links in alert mails: they name a subscriber and prove that we made them. Nothing is looked up to check one."""

import base64
import hmac
from typing import Literal
from uuid import UUID

Purpose = Literal["confirm", "unsubscribe"]
_TAG = 16


class AlertLinks:
    """`key`: 32 bytes, the same in every process. Whether a link is still good (seven days) is the subscriber's row's to say."""

    def __init__(self, key: bytes, public_url: str) -> None:
        self._key = key
        self._public_url = public_url

    def url(self, purpose: Purpose, subscriber_id: UUID) -> str:
        token = base64.urlsafe_b64encode(subscriber_id.bytes + self._tag(purpose, subscriber_id.bytes))
        return f"{self._public_url}/alerts/{purpose}/{token.decode().rstrip('=')}"

    def subscriber(self, purpose: Purpose, token: str) -> UUID | None:
        """The subscriber a link is of; None for a link we did not make for this purpose."""
        if len(token) > 100 or not token.isascii():
            return None
        try:
            raw = base64.b64decode(token + "=" * (-len(token) % 4), altchars=b"-_", validate=True)
        except ValueError:
            return None
        named, tag = raw[:16], raw[16:]
        if len(named) != 16 or not hmac.compare_digest(tag, self._tag(purpose, named)):
            return None
        return UUID(bytes=named)

    def _tag(self, purpose: Purpose, named: bytes) -> bytes:
        return hmac.digest(self._key, purpose.encode() + b"\0" + named, "sha256")[:_TAG]
