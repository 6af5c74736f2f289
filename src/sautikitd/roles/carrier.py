"""The simulated carrier of test mode as a process."""

import ipaddress

from sautikitd.roles.process import RoleProcess
from sautikitd.settings import Address, SettingInvalid, Settings
from sautikitd.simulators.carrier.carrier import Carrier
from sautikitd.simulators.carrier.control import serving


async def run(settings: Settings, process: RoleProcess) -> None:
    """Answers calls and sends callers until it is stopped, then hangs up. Raises `SettingInvalid` off loopback."""
    _require_loopback("SAUTIKIT_CARRIER", settings.carrier)
    _require_loopback("SAUTIKIT_CARRIER_CONTROL", settings.carrier_control)
    sip = settings.carrier.host, settings.carrier.port
    control = settings.carrier_control.host, settings.carrier_control.port
    async with Carrier(sip=sip, prompts=settings.data_dir / "prompts") as carrier, serving(carrier, control):
        process.ready()
        await process.until_stopped()


def _require_loopback(variable: str, address: Address) -> None:
    """It asks nobody for a password, so nobody else may reach it."""
    try:
        loopback = ipaddress.ip_address(address.host).is_loopback
    except ValueError:
        loopback = False
    if not loopback:
        raise SettingInvalid(
            f"{variable}={address} can be reached from other machines, and the simulated carrier trusts whoever reaches "
            f"it. Use an address like 127.0.0.1:{address.port}."
        )
