"""Daraja's result codes (`mpesa.md` §3.5) as verdicts, and each failure in words a customer understands.

Codes are mapped, never their prose, which differs between channels. Success is `0` and nothing else.
"""

from enum import StrEnum

import msgspec


class Verdict(StrEnum):
    PAID = "paid"
    FAILED = "failed"
    PENDING = "pending"
    UNKNOWN = "unknown"  # a code nobody has told us of: the reconciler goes on, staff looks after its window


class FailureCode(StrEnum):
    """`failure_code` of a top-up; an open list for clients."""

    INSUFFICIENT_BALANCE = "topup.insufficient_balance"
    BELOW_MINIMUM = "topup.below_minimum"
    ABOVE_MAXIMUM = "topup.above_maximum"
    DAILY_LIMIT = "topup.daily_limit"
    RECEIVER_LIMIT = "topup.receiver_limit"
    SAME_AMOUNT_TOO_SOON = "topup.same_amount_too_soon"
    PHONE_BUSY = "topup.phone_busy"
    EXPIRED = "topup.expired"
    PROMPT_NOT_SENT = "topup.prompt_not_sent"
    CANCELLED = "topup.cancelled"
    NO_ANSWER = "topup.no_answer"
    WRONG_PIN = "topup.wrong_pin"
    PIN_LOCKED = "topup.pin_locked"
    ACCOUNT_INACTIVE = "topup.account_inactive"
    PROVIDER_BUSY = "topup.provider_busy"
    PROVIDER_UNAVAILABLE = "topup.provider_unavailable"
    MISCONFIGURED = "topup.misconfigured"
    AMOUNT_MISMATCH = "topup.amount_mismatch"
    UNCONFIRMED = "topup.unconfirmed"


class Words(msgspec.Struct, frozen=True):
    """What happened, and what to do about it."""

    reason: str
    advice: str


WORDS: dict[FailureCode, Words] = {
    FailureCode.INSUFFICIENT_BALANCE: Words(
        "There was not enough money in the M-PESA account.",
        "Add money to M-PESA or choose a smaller amount, then try again.",
    ),
    FailureCode.BELOW_MINIMUM: Words("M-PESA does not move so little.", "Top up at least KES 1."),
    FailureCode.ABOVE_MAXIMUM: Words(
        "M-PESA does not move so much at once.", "Top up at most KES 250,000 at a time."
    ),
    FailureCode.DAILY_LIMIT: Words(
        "This payment would pass the phone's daily M-PESA limit.",
        "Try a smaller amount, another phone, or tomorrow.",
    ),
    FailureCode.RECEIVER_LIMIT: Words(
        "Our M-PESA account could not take the payment.",
        "Nothing was paid. We have been told; try again later.",
    ),
    FailureCode.SAME_AMOUNT_TOO_SOON: Words(
        "M-PESA refuses the same amount from the same phone twice within two minutes.",
        "Wait two minutes, or choose another amount.",
    ),
    FailureCode.PHONE_BUSY: Words(
        "The phone was busy with another M-PESA request.", "Finish that one, wait a minute, then try again."
    ),
    FailureCode.EXPIRED: Words(
        "The prompt was not answered in time.", "Try again with the phone unlocked and in your hand."
    ),
    FailureCode.PROMPT_NOT_SENT: Words(
        "M-PESA could not show the prompt on the phone.", "Try again in a minute, or pay by Paybill."
    ),
    FailureCode.CANCELLED: Words(
        "The prompt was cancelled on the phone.", "Try again, and enter the M-PESA PIN."
    ),
    FailureCode.NO_ANSWER: Words(
        "The phone did not answer: it may be off, out of reach, or not an M-PESA line.",
        "Check that it is on and in reach, then try again.",
    ),
    FailureCode.WRONG_PIN: Words("The M-PESA PIN was wrong.", "Try again with the right PIN."),
    FailureCode.PIN_LOCKED: Words(
        "The M-PESA PIN is locked.", "Call Safaricom on 100 or 200 from the phone to have it unlocked."
    ),
    FailureCode.ACCOUNT_INACTIVE: Words(
        "The M-PESA account of this phone cannot pay now.",
        "Call Safaricom on 100 or 200, or use another phone.",
    ),
    FailureCode.PROVIDER_BUSY: Words(
        "M-PESA was too busy to take the request.", "Try again in a few minutes."
    ),
    FailureCode.PROVIDER_UNAVAILABLE: Words(
        "M-PESA could not be reached.", "Nothing was paid. Try again in a few minutes, or pay by Paybill."
    ),
    FailureCode.MISCONFIGURED: Words(
        "M-PESA refused our request.",
        "Nothing was paid. This is our mistake and we have been told; please try later.",
    ),
    FailureCode.AMOUNT_MISMATCH: Words(
        "The amount that was paid is not the amount that was asked for.",
        "The money is safe. Support will put it into the wallet or send it back.",
    ),
    FailureCode.UNCONFIRMED: Words(
        "M-PESA never confirmed this payment.",
        "If money left the phone, send us the M-PESA receipt and we will find it; otherwise try again.",
    ),
}


class Meaning(msgspec.Struct, frozen=True):
    """`doubtful`: said by a callback, it is asked for once more by query before it closes anything.

    `ours`: a fault of our account or configuration, that staff must hear of.
    """

    verdict: Verdict
    failure: FailureCode | None = None
    doubtful: bool = False
    ours: bool = False


def meaning_of(code: str) -> Meaning:
    """What a result code says; an unknown one is a state (`UNKNOWN`), never a guess."""
    return _MEANINGS.get(code.strip(), Meaning(Verdict.UNKNOWN))


def words_of(failure_code: str | None) -> Words | None:
    """None for no failure."""
    return None if failure_code is None else WORDS[FailureCode(failure_code)]


def _failed(code: FailureCode, *, doubtful: bool = False, ours: bool = False) -> Meaning:
    return Meaning(Verdict.FAILED, code, doubtful, ours)


_MEANINGS: dict[str, Meaning] = {
    "0": Meaning(Verdict.PAID),
    "1": _failed(FailureCode.INSUFFICIENT_BALANCE),
    "2": _failed(FailureCode.BELOW_MINIMUM),
    "3": _failed(FailureCode.ABOVE_MAXIMUM),
    "4": _failed(FailureCode.DAILY_LIMIT),
    "8": _failed(FailureCode.RECEIVER_LIMIT, ours=True),
    "11": _failed(FailureCode.ACCOUNT_INACTIVE),
    "17": _failed(FailureCode.SAME_AMOUNT_TOO_SOON),
    "26": _failed(FailureCode.PROVIDER_BUSY, doubtful=True),
    "1001": _failed(FailureCode.PHONE_BUSY, doubtful=True),
    "1019": _failed(FailureCode.EXPIRED),
    "1025": _failed(FailureCode.PROMPT_NOT_SENT, ours=True),
    "1032": _failed(FailureCode.CANCELLED),
    "1037": _failed(FailureCode.NO_ANSWER),
    "2001": _failed(FailureCode.WRONG_PIN),
    "2028": _failed(FailureCode.MISCONFIGURED, ours=True),
    "4999": Meaning(Verdict.PENDING),
    "8006": _failed(FailureCode.PIN_LOCKED),
    "9999": _failed(FailureCode.PROMPT_NOT_SENT, doubtful=True),
    "SFC_IC0003": _failed(FailureCode.MISCONFIGURED, ours=True),
    # The generic table of the G2 core (AccountBalance page): our rights, fields or credentials …
    **dict.fromkeys(
        ("18", "20", "21", "22", "24", "25", "29", "100000010"), _failed(FailureCode.MISCONFIGURED, ours=True)
    ),
    # … or its load. `15`, a duplicate detected, may stand for a payment that went through: it stays unknown.
    **dict.fromkeys(
        ("100000001", "100000002", "100000004", "100000007", "100000009", "100000011"),
        _failed(FailureCode.PROVIDER_BUSY, doubtful=True),
    ),
}
