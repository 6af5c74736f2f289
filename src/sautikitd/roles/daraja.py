"""The simulated M-Pesa of test mode as a process."""

import ipaddress

from sautikitd.clock import SystemClock
from sautikitd.payments.accounts import test_account
from sautikitd.roles.process import RoleProcess
from sautikitd.settings import SettingInvalid, Settings
from sautikitd.simulators.daraja.mpesa import SimulatedMpesa
from sautikitd.simulators.daraja.server import serving


async def run(settings: Settings, process: RoleProcess) -> None:
    """Prompts simulated phones until it is stopped. Raises `SettingInvalid` off loopback."""
    _require_loopback(settings)
    address = settings.daraja_simulator
    account = test_account(address, settings.http)
    mpesa = SimulatedMpesa(SystemClock(), account.shortcode)
    async with serving(mpesa, account, (address.host, address.port)):
        process.ready()
        await process.until_stopped()


def _require_loopback(settings: Settings) -> None:
    """It asks nobody for a password, so nobody else may reach it."""
    address = settings.daraja_simulator
    try:
        loopback = ipaddress.ip_address(address.host).is_loopback
    except ValueError:
        loopback = False
    if not loopback:
        raise SettingInvalid(
            f"SAUTIKIT_DARAJA_SIMULATOR={address} can be reached from other machines, and the simulated M-Pesa trusts "
            f"whoever reaches it. Use an address like 127.0.0.1:{address.port}."
        )
