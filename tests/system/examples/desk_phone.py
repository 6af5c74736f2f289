"""baresip as the softphone of somebody who works for a customer: it registers with a SIP credential."""

import asyncio
from pathlib import Path

from ports import free_ports
from system.baresip import Baresip, sip_port
from system.installation import Customer, Installation


async def desk_phone(
    folder: Path, installation: Installation, customer: Customer, number: str, label: str, *, tone: int
) -> tuple[Baresip, str]:
    """A phone that is registered, and the username that it is rung by."""
    numbers = (await installation.api("GET", "/v1/numbers", customer.key))["data"]
    (number_id,) = [one["id"] for one in numbers if one["e164"] == number]
    path = f"/v1/numbers/{number_id}/sip-credentials"
    made = await installation.api("POST", path, customer.key, {"label": label}, expect=201)
    user, password = made["sip_credential"]["username"], made["password"]
    phone = Baresip(folder / label, user, sip_port(), free_ports(1)[0], tone=tone)
    account = f"<sip:{user}@127.0.0.1:{installation.sip_port};transport=udp>"
    settings = f"auth_user={user};auth_pass={password};regint=60;answermode=auto;audio_codecs=PCMA"
    (folder / label / "accounts").write_text(f"{account};{settings}\n")
    await phone.start()
    async with asyncio.timeout(20):
        while not await _registered(installation, customer, path, user):
            await asyncio.sleep(0.1)
    return phone, user


async def _registered(installation: Installation, customer: Customer, path: str, user: str) -> bool:
    listed = (await installation.api("GET", path, customer.key))["data"]
    return any(one["username"] == user and one["registrations"] for one in listed)
