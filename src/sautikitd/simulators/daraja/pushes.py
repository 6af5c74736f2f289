"""What the simulator remembers: prompts on phones and the money that moved."""

import secrets
from datetime import datetime

import msgspec

from sautikitd.clock import NAIROBI
from sautikitd.simulators.daraja.behaviours import Behaviour

_LETTERS = "ABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789"


class Prompt(msgspec.Struct, kw_only=True):
    """One STK push. `result` is empty until the phone has answered."""

    merchant_request_id: str
    checkout_request_id: str
    phone: str  # 2547XXXXXXXX
    shillings: int
    reference: str
    callback_url: str
    behaviour: Behaviour
    asked_at: datetime
    result: str = ""
    receipt: str = ""
    queries: int = 0

    @property
    def open(self) -> bool:
        return not self.result


class Paid(msgspec.Struct, kw_only=True, frozen=True):
    """Money that moved: the truth that all books are held against. `checkout_request_id` where a push asked for it."""

    receipt: str
    phone: str
    shillings: int
    reference: str
    paid_at: datetime
    checkout_request_id: str = ""


class Registration(msgspec.Struct, frozen=True):
    """Where the Paybill posts. `masked` MSISDNs are v2's, hashed ones v1's."""

    confirmation_url: str
    validation_url: str
    response_type: str
    masked: bool


def new_receipt() -> str:
    """Ten of capitals and digits, as M-PESA's; random, so that a simulator started again repeats none."""
    return "S" + "".join(secrets.choice(_LETTERS) for _ in range(9))


def new_checkout_id(now: datetime, phone: str) -> str:
    """`ws_CO_`, Nairobi time, the tail of the phone (`mpesa.md` §3.2), and a little chance against twins."""
    stamp = now.astimezone(NAIROBI).strftime("%d%m%Y%H%M%S")
    return f"ws_CO_{stamp}{secrets.randbelow(1000):03d}{phone[-9:]}{secrets.token_hex(2)}"


def masked(phone: str) -> str:
    return f"{phone[:4]} ***** {phone[-3:]}"
