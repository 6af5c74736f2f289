"""Which Daraja each mode speaks to, and the addresses it calls us back at."""

import hmac
import ipaddress
from dataclasses import dataclass
from uuid import UUID

import msgspec

from sautikitd.events.models import Mode
from sautikitd.payments.daraja.account import (
    TEST_CONSUMER_KEY,
    TEST_CONSUMER_SECRET,
    TEST_CREDENTIAL,
    TEST_INITIATOR,
    TEST_PASSKEY,
    TEST_SHORTCODE,
    DarajaAccount,
)
from sautikitd.payments.daraja.credential import security_credential
from sautikitd.settings import Address, SettingInvalid, Settings

_LOOPBACK = (ipaddress.ip_network("127.0.0.0/8"), ipaddress.ip_network("::1/128"))


@dataclass(frozen=True)
class DarajaAccounts:
    """`live` is None where this installation has no account of its own: live top-ups are refused then."""

    test: DarajaAccount
    live: DarajaAccount | None = None

    def of(self, mode: Mode) -> DarajaAccount | None:
        return self.live if mode == "live" else self.test

    @property
    def all(self) -> tuple[DarajaAccount, ...]:
        return (self.test, self.live) if self.live else (self.test,)


class CallbackPaths:
    """Unguessable paths: one a top-up, one a mode for the Paybill (`mpesa.md` §3.4, §6.1).

    They are derived from a secret of the installation, so none is stored, and the Paybill's stay the same
    for ever, as Daraja demands. Hexadecimal holds none of the words Daraja bans from URLs.
    """

    def __init__(self, key: bytes) -> None:
        self._key = key

    def stk(self, topup_id: UUID) -> str:
        return f"/callbacks/stk/{topup_id.hex}/{self._token(f'stk {topup_id.hex}')}"

    def paybill(self, mode: Mode, what: str) -> str:
        """`what` is `confirmation` or `validation`."""
        return f"/callbacks/paybill/{self._token(f'paybill {mode}')}/{what}"

    def request(self, request_id: UUID, what: str) -> str:
        """`what` is `result` or `timeout`."""
        return f"/callbacks/request/{request_id.hex}/{self._token(f'request {request_id.hex}')}/{what}"

    def opens_request(self, request_id: UUID, token: str) -> bool:
        return hmac.compare_digest(token.encode(), self._token(f"request {request_id.hex}").encode())

    def opens_stk(self, topup_id: UUID, token: str) -> bool:
        return hmac.compare_digest(token.encode(), self._token(f"stk {topup_id.hex}").encode())

    def opens_paybill(self, token: str) -> Mode | None:
        """The mode whose Paybill this path is; None for a wrong one."""
        modes: tuple[Mode, ...] = ("live", "test")
        for mode in modes:
            if hmac.compare_digest(token.encode(), self._token(f"paybill {mode}").encode()):
                return mode
        return None

    def _token(self, purpose: str) -> str:
        return hmac.digest(self._key, purpose.encode(), "sha256").hex()[:40]


def test_account(simulator: Address, api: Address) -> DarajaAccount:
    """The simulator's account. It calls the API straight on this machine."""
    host = "127.0.0.1" if api.host in ("0.0.0.0", "::", "") else api.host
    return DarajaAccount(
        mode="test",
        base_url=f"http://{simulator}",
        consumer_key=TEST_CONSUMER_KEY,
        consumer_secret=TEST_CONSUMER_SECRET,
        shortcode=TEST_SHORTCODE,
        passkey=TEST_PASSKEY,
        callback_base=f"http://{Address(host, api.port)}",
        sources=_LOOPBACK,
        pull=True,
        initiator=TEST_INITIATOR,
        security_credential=TEST_CREDENTIAL,
    )


def accounts_of(settings: Settings) -> DarajaAccounts:
    """Live is there when everything it needs is set: URL, key, secret, shortcode and passkey."""
    above = settings.daraja_confirm_above * 100
    test = msgspec.structs.replace(
        test_account(settings.daraja_simulator, settings.http), confirm_above_minor=above
    )
    needed = (
        settings.daraja_url,
        settings.daraja_consumer_key,
        settings.daraja_consumer_secret,
        settings.daraja_shortcode,
        settings.daraja_passkey,
    )
    url, consumer_key, consumer_secret, shortcode, passkey = needed
    if not (url and consumer_key and consumer_secret and shortcode and passkey):
        return DarajaAccounts(test)
    live = DarajaAccount(
        mode="live",
        base_url=url,
        consumer_key=consumer_key,
        consumer_secret=consumer_secret,
        shortcode=shortcode,
        passkey=passkey,
        callback_base=settings.callback_url or settings.public_url,
        sources=tuple(ipaddress.ip_network(network) for network in settings.daraja_sources),
        pull=settings.daraja_pull,
        initiator=settings.daraja_initiator or "",
        security_credential=_credential(settings),
        confirm_above_minor=above,
    )
    return DarajaAccounts(test, live)


def _credential(settings: Settings) -> str:
    """Empty where initiator, password and certificate are not all set. Raises `SettingInvalid`."""
    password, file = settings.daraja_initiator_password, settings.daraja_certificate
    if not (settings.daraja_initiator and password and file):
        return ""
    try:
        return security_credential(password, file.read_bytes())
    except (OSError, ValueError) as exc:
        raise SettingInvalid(
            f"SAUTIKIT_DARAJA_CERTIFICATE={str(file)!r} cannot be used ({type(exc).__name__}): "
            "it is the PEM file of Safaricom's certificate for production."
        ) from exc
