"""baresip as the softphone of somebody who works for a customer: it registers with a SIP credential."""

from pathlib import Path

from examples.served import Served
from system.baresip import Baresip, sip_port
from system.installation import Installation, free_ports


async def desk_phone(
    folder: Path, installation: Installation, served: Served, label: str, *, tone: int
) -> tuple[Baresip, str]:
    """A phone that is registered, and the username that it is rung by."""
    made = await served.api.request(
        "POST", f"/v1/numbers/{served.number_id}/sip-credentials", {"label": label}
    )
    secret = made["sip_credential"]
    user, password = secret["username"], secret["password"]
    phone = Baresip(folder / label, user, sip_port(), free_ports(1)[0], tone=tone)
    account = f"<sip:{user}@127.0.0.1:{installation.sip_port};transport=udp>"
    settings = f"auth_user={user};auth_pass={password};regint=60;answermode=auto;audio_codecs=PCMA"
    (folder / label / "accounts").write_text(f"{account};{settings}\n")
    await phone.start()
    await phone.until("REGISTER_OK")
    return phone, user
