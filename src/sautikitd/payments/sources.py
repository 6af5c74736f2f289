"""Whose posts are believed: Daraja signs nothing, so its published addresses are one layer of several (`mpesa.md` §7)."""

import ipaddress

from sautikitd.events.models import Mode
from sautikitd.payments.accounts import DarajaAccounts


class Sources:
    def __init__(self, accounts: DarajaAccounts) -> None:
        self._accounts = accounts

    def believed(self, mode: Mode, address: str) -> bool:
        account = self._accounts.of(mode)
        try:
            source = ipaddress.ip_address(address)
        except ValueError:
            return False
        if isinstance(source, ipaddress.IPv6Address) and source.ipv4_mapped:
            source = source.ipv4_mapped
        return account is not None and any(source in network for network in account.sources)
