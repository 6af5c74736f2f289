"""What a device or a browser is told of us: where to register, and how to get its sound through."""

import base64
import hashlib
import hmac
from collections.abc import Sequence
from datetime import datetime

import msgspec

from sautikitd.settings import Settings


class IceServer(msgspec.Struct, frozen=True, kw_only=True):
    """As `RTCPeerConnection` takes it in `iceServers`. STUN servers want no username."""

    urls: Sequence[str]
    username: str | None = None
    credential: str | None = None


class DeviceAddresses(msgspec.Struct, frozen=True, kw_only=True):
    """Of the installation. `domain` is a host, with the port where that is not SIP's own."""

    domain: str
    ws_url: str
    stun_urls: Sequence[str] = ()
    turn_urls: Sequence[str] = ()
    turn_secret: str | None = None

    @classmethod
    def of(cls, settings: Settings) -> "DeviceAddresses":
        return cls(
            domain=settings.sip_domain,
            ws_url=settings.sip_ws_url,
            stun_urls=settings.stun_urls,
            turn_urls=settings.turn_urls,
            turn_secret=settings.turn_secret,
        )

    def ice_servers(self, name: str, expires_at: datetime) -> list[IceServer]:
        """The servers of this installation, with credentials for TURN that are good until `expires_at`.

        Username and password are made from a secret shared with the TURN server (draft-uberti-behave-turn-rest-00
        §2.2; coturn's `use-auth-secret`), so nobody has to tell it of our users.
        """
        servers = [IceServer(urls=self.stun_urls)] if self.stun_urls else []
        if self.turn_urls and self.turn_secret:
            username = f"{int(expires_at.timestamp())}:{name}"
            digest = hmac.digest(self.turn_secret.encode(), username.encode(), hashlib.sha1)
            credential = base64.b64encode(digest).decode()
            servers.append(IceServer(urls=self.turn_urls, username=username, credential=credential))
        return servers

    def __repr__(self) -> str:
        return f"DeviceAddresses({self.domain!r}, {self.ws_url!r})"
