"""What we are to Daraja: one account a mode. Test mode's is known to the simulator alone."""

import base64
from datetime import datetime
from ipaddress import IPv4Network, IPv6Network

import msgspec

from sautikitd.clock import NAIROBI
from sautikitd.events.models import Mode

Network = IPv4Network | IPv6Network


class DarajaAccount(msgspec.Struct, frozen=True, kw_only=True):
    """`sources`: the networks whose callbacks are believed. `callback_base`: our own address as Daraja reaches it."""

    mode: Mode
    base_url: str
    consumer_key: str
    consumer_secret: str
    shortcode: str
    passkey: str
    callback_base: str
    sources: tuple[Network, ...]
    pull: bool  # whether the Pull product is enabled on the shortcode
    initiator: str = ""
    security_credential: str = ""
    confirm_above_minor: int = (
        10_000_00  # a push's callback of more, in KES cents, is believed when a query agrees
    )

    @property
    def has_initiator(self) -> bool:
        """Whether it may reverse payments and ask for their status."""
        return bool(self.initiator and self.security_credential)

    def __repr__(self) -> str:
        return f"DarajaAccount({self.mode} {self.shortcode} at {self.base_url})"

    @property
    def basic(self) -> str:
        pair = f"{self.consumer_key}:{self.consumer_secret}"
        return f"Basic {base64.b64encode(pair.encode()).decode()}"

    def signature(self, now: datetime) -> tuple[str, str]:
        """`Timestamp` and the `Password` made of it: Nairobi time, the same string in both (`mpesa.md` §3.1)."""
        timestamp = now.astimezone(NAIROBI).strftime("%Y%m%d%H%M%S")
        password = base64.b64encode(f"{self.shortcode}{self.passkey}{timestamp}".encode()).decode()
        return timestamp, password


TEST_CONSUMER_KEY = "simulated-consumer"
TEST_CONSUMER_SECRET = "simulated-consumer-s3cret"  # opens nothing but the simulator on loopback
TEST_SHORTCODE = "600100"
TEST_INITIATOR = "simulated-initiator"
TEST_CREDENTIAL = "c2ltdWxhdGVk"  # the simulator compares it, where Safaricom decrypts one
TEST_PASSKEY = "simulated-passkey"
