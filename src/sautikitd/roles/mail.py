"""The mail server of development as a process: what comes is shown at /dev/mail and goes nowhere."""

import ipaddress

from sautikitd.roles.process import RoleProcess
from sautikitd.settings import SettingInvalid, Settings
from sautikitd.simulators.mail.page import MailPages, serving
from sautikitd.simulators.mail.server import Mailbox


async def run(settings: Settings, process: RoleProcess) -> None:
    """Takes and shows mail until it is stopped. Raises `SettingInvalid` off loopback."""
    address = settings.mail_simulator
    if not ipaddress.ip_address(address.host).is_loopback:
        raise SettingInvalid(
            f"SAUTIKIT_MAIL_SIMULATOR={address} can be reached from other machines, and shows every mail to whoever asks. "
            f"Use an address like 127.0.0.1:{address.port}."
        )
    box = Mailbox()
    async with (
        box.listening(address.host, address.port + 1),
        serving(MailPages(box), address.host, address.port),
    ):
        process.ready()
        await process.until_stopped()
