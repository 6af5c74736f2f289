"""How a simulated phone behaves: by its last four digits, by the amount, or as a script orders.

The tables below are the documentation; the simulator's page shows them.
"""

from enum import StrEnum

import msgspec


class Answer(StrEnum):
    """How the push request itself is answered."""

    OK = "ok"
    LOST = "lost"  # the connection breaks and nobody hears
    HTML = "html"  # a gateway's page, with 200
    ENVELOPE = "envelope"  # an error envelope with 200: another push is open
    SPIKE = "spike"  # spike arrest


class InFlight(StrEnum):
    """What a query hears while a push is under way (`mpesa.md` §4)."""

    CODE_4999 = "4999"
    BUSY_500 = "500.001.1001"
    EMPTY_200 = "500.001.1001 with 200"


class Behaviour(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """`result` is the code the phone comes to; `person` waits for somebody on the page.

    `taken`: whether the push was carried out, whatever was answered. `extra_shillings`: how much more than asked
    is paid. `confirmations`: how often the Paybill's confirmation tells of it too. `pays_late`: after it
    failed, it is paid all the same. `query_faults`: so many queries fail first, verdict or not.
    """

    result: str = "0"
    person: bool = False
    answer: Answer = Answer.OK
    taken: bool = True
    callbacks: int = 1
    callback_first: bool = False
    late: bool = False
    extra_shillings: int = 0
    confirmations: int = 0
    pays_late: bool = False
    in_flight: InFlight = InFlight.CODE_4999
    query_faults: int = 0


class Listed(msgspec.Struct, frozen=True):
    behaviour: Behaviour
    words: str


BY_PHONE: dict[str, Listed] = {
    "0000": Listed(Behaviour(person=True), "waits for you on this page"),
    "0001": Listed(Behaviour(), "pays"),
    "0002": Listed(Behaviour(result="2001"), "wrong PIN"),
    "0003": Listed(Behaviour(result="1032"), "cancels"),
    "0004": Listed(Behaviour(result="1037", in_flight=InFlight.BUSY_500), "no answer"),
    "0005": Listed(Behaviour(result="1"), "too little money"),
    "0006": Listed(Behaviour(answer=Answer.LOST), "pays; the response to the push is lost"),
    "0007": Listed(Behaviour(callbacks=0), "pays; the callback is lost"),
    "0008": Listed(Behaviour(callbacks=2), "pays; the callback comes twice"),
    "0009": Listed(Behaviour(late=True, in_flight=InFlight.EMPTY_200), "pays; the callback is late"),
    "0010": Listed(Behaviour(callback_first=True), "pays; the callback is there before the response"),
    "0011": Listed(Behaviour(answer=Answer.HTML, taken=False), "an HTML error page, nothing pushed"),
    "0012": Listed(Behaviour(answer=Answer.ENVELOPE, taken=False), "an error envelope with 200"),
    "0013": Listed(Behaviour(answer=Answer.SPIKE, taken=False), "spike arrest"),
    "0014": Listed(Behaviour(result="1037", pays_late=True), "no answer, and the money comes later"),
    "0015": Listed(Behaviour(answer=Answer.HTML), "pays; an HTML page instead of the response"),
    "0016": Listed(Behaviour(extra_shillings=1), "pays a shilling more than asked"),
    "0017": Listed(Behaviour(answer=Answer.LOST, callbacks=0), "pays; response and callback are lost"),
    "0018": Listed(Behaviour(confirmations=1), "pays; the Paybill's confirmation tells of it too"),
    "0019": Listed(Behaviour(query_faults=4), "pays; queries fail four times"),
}
"""By the last four digits of the phone. Every other phone pays."""

_AMOUNT_CODES = ("1001", "1019", "1025", "1032", "1037", "2001", "2028", "8006", "9999")

BY_AMOUNT: dict[int, Listed] = {
    int(code): Listed(Behaviour(result=code), f"ends with result code {code}") for code in _AMOUNT_CODES
}
"""By whole shillings, where the phone is none of those above."""

_PAYS = Behaviour()


def behaviour_of(phone: str, shillings: int) -> Behaviour:
    listed = BY_PHONE.get(phone[-4:]) or BY_AMOUNT.get(shillings)
    return listed.behaviour if listed else _PAYS


RESULT_WORDS = {
    "0": "The service request is processed successfully.",
    "1": "The balance is insufficient for the transaction.",
    "1001": "Unable to lock subscriber, a transaction is already in process for the current subscriber",
    "1019": "Transaction has expired.",
    "1025": "An error occurred while sending a push request.",
    "1032": "Request cancelled by user",
    "1037": "DS timeout user cannot be reached.",
    "2001": "The initiator information is invalid.",
    "2028": "The request is not permitted according to product assignment.",
    "8006": "The security credential is locked.",
    "9999": "An error occurred while sending a push request.",
}
