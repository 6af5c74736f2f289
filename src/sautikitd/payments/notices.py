"""What Daraja posts to us, read tolerantly: STK callbacks, C2B validations and confirmations (`mpesa.md` §3.4, §6.2)."""

import re
from datetime import datetime
from decimal import Decimal, DecimalException
from typing import Any

import msgspec

from sautikitd.clock import NAIROBI

_RECEIPT = re.compile(r"[A-Z0-9]{6,20}")
_LONGEST_TEXT = 100


class StkNotice(msgspec.Struct, frozen=True, kw_only=True):
    """The verdict on one push. Of a success, whatever of amount and receipt was told."""

    checkout_request_id: str
    result_code: str
    amount_minor: int | None = None
    receipt: str | None = None
    payer: str | None = None
    paid_at: datetime | None = None


class C2bNotice(msgspec.Struct, frozen=True, kw_only=True):
    """A payment to the Paybill. `reference` is as a person typed it."""

    receipt: str | None
    amount_minor: int | None
    reference: str
    shortcode: str
    payer: str | None
    paid_at: datetime | None


def read_stk(raw: bytes) -> StkNotice | None:
    """None for what is no callback. Items of the metadata go by name: their order, number and types vary."""
    callback = _object(_object(_object(_decode(raw)).get("Body")).get("stkCallback"))
    code = callback.get("ResultCode")
    if code is None:
        return None
    listed = _object(callback.get("CallbackMetadata")).get("Item")
    items: dict[str, Any] = {
        str(item.get("Name")): item.get("Value")
        for item in (listed if isinstance(listed, list) else [])
        if isinstance(item, dict)
    }
    return StkNotice(
        checkout_request_id=_text(callback.get("CheckoutRequestID")) or "",
        result_code=str(code).strip(),
        amount_minor=read_amount(items.get("Amount")),
        receipt=read_receipt(items.get("MpesaReceiptNumber")),
        payer=_text(items.get("PhoneNumber")),
        paid_at=read_time(items.get("TransactionDate")),
    )


def read_c2b(raw: bytes) -> C2bNotice | None:
    body = _object(_decode(raw))
    if "TransAmount" not in body and "TransID" not in body:
        return None
    return C2bNotice(
        receipt=read_receipt(body.get("TransID")),
        amount_minor=read_amount(body.get("TransAmount")),
        reference=_text(body.get("BillRefNumber")) or "",
        shortcode=_text(body.get("BusinessShortCode")) or "",
        payer=_text(body.get("MSISDN")),
        paid_at=read_time(body.get("TransTime")),
    )


class ResultNotice(msgspec.Struct, frozen=True, kw_only=True):
    """How a reversal or a question for a status ended. `status` is empty where none was told."""

    result_code: str
    status: str = ""
    amount_minor: int | None = None


def read_result(raw: bytes) -> ResultNotice | None:
    """None for what is no result. `ResultParameter` comes as a list or as a single object (`mpesa.md` §5)."""
    result = _object(_object(_decode(raw)).get("Result"))
    code = result.get("ResultCode")
    if code is None:
        return None
    listed = _object(result.get("ResultParameters")).get("ResultParameter")
    rows = listed if isinstance(listed, list) else [listed]
    told = {str(row.get("Key")): row.get("Value") for row in rows if isinstance(row, dict)}
    return ResultNotice(
        result_code=str(code).strip(),
        status=_text(told.get("TransactionStatus")) or "",
        amount_minor=read_amount(told.get("Amount")),
    )


def read_amount(value: Any) -> int | None:
    """KES cents of `1.00`, `"5.00"` or `5`; None for what is no amount above zero in whole cents."""
    if value is None or isinstance(value, bool):
        return None
    try:
        minor = Decimal(str(value)) * 100
    except DecimalException:  # no number, or one too large to be multiplied
        return None
    if not minor.is_finite() or minor != minor.to_integral_value() or not 0 < minor < 10**12:
        return None
    return int(minor)


def read_receipt(value: Any) -> str | None:
    text = (_text(value) or "").upper()
    return text if _RECEIPT.fullmatch(text) else None


def read_time(value: Any) -> datetime | None:
    """`20231121121325`, Nairobi time; None for anything else."""
    text = _text(value) or ""
    if not re.fullmatch(r"\d{14}", text, re.ASCII):
        return None
    try:
        return datetime.strptime(text, "%Y%m%d%H%M%S").replace(tzinfo=NAIROBI)
    except ValueError:
        return None


def _decode(raw: bytes) -> Any:
    try:
        return msgspec.json.decode(raw)
    except (msgspec.DecodeError, UnicodeDecodeError):
        return None


def _object(value: Any) -> dict[str, Any]:
    return value if isinstance(value, dict) else {}


def _text(value: Any) -> str | None:
    """Trimmed, without what a database does not keep."""
    if value is None or isinstance(value, (dict, list)):
        return None
    text = str(value).replace("\0", "").encode("utf-8", "ignore").decode()
    return text.strip()[:_LONGEST_TEXT] or None
