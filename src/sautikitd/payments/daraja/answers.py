"""Daraja's answers, read by their keys and never by their status alone (`mpesa.md` §3.3, §4).

The same thing comes in many shapes: an error envelope with 200, an Apigee fault, a SOAP fault in JSON, a
page of HTML, numbers as strings.
"""

from typing import Any

import httpx
import msgspec

from sautikitd.payments.daraja.outcomes import PHONE_LOCKED, OutcomeUnknown, Rejected

# "Invalid access token" has one code a product; the request was not executed (`mpesa.md` §2).
_INVALID_TOKEN = {"404.001.03", "401.002.01", "400.003.01", "401.001"}
_BUSY = {
    "500.003.02",
    "500.003.03",
    "00.002.1001",
}  # spike arrest, quota, maintenance: turned away at the door
_CATCH_ALL = "500.001.1001"  # six documented meanings: its message decides


class Invalid(msgspec.Struct, frozen=True):
    """The access token is no longer good."""


class Fields(msgspec.Struct, frozen=True):
    """An answer that is no error: its JSON object."""

    values: dict[str, Any]

    def text(self, name: str) -> str:
        value = self.values.get(name)
        return "" if value is None else str(value).strip()


def read(response: httpx.Response) -> Fields | Rejected | OutcomeUnknown | Invalid:
    try:
        body = msgspec.json.decode(response.content)
    except (msgspec.DecodeError, UnicodeDecodeError):
        return _not_json(response)
    if not isinstance(body, dict):
        return OutcomeUnknown(f"HTTP {response.status_code} with JSON that is no object")
    if "fault" in body:
        return _apigee(body["fault"], response.status_code)
    code = body.get("errorCode")
    if code is not None:
        return _error(str(code), str(body.get("errorMessage") or ""))
    if "Envelope" in body:
        return OutcomeUnknown("a SOAP fault")
    if response.status_code == 429:
        return Rejected("429", "too many requests", retryable=True)
    if response.status_code >= 500 or not body:
        return OutcomeUnknown(f"HTTP {response.status_code} without a known answer")
    return Fields(body)


def _not_json(response: httpx.Response) -> Rejected | OutcomeUnknown:
    if response.status_code == 429:
        return Rejected("429", "too many requests", retryable=True)
    return OutcomeUnknown(f"HTTP {response.status_code} with a body that is no JSON")


def _error(code: str, message: str) -> Rejected | OutcomeUnknown | Invalid:
    if code in _INVALID_TOKEN:
        return Invalid()
    if code in _BUSY:
        return Rejected(code, message, retryable=True)
    if code == _CATCH_ALL:
        return _catch_all(message)
    if code.startswith("500."):
        return OutcomeUnknown(f"{code} {message}")
    return Rejected(code, message)


def _catch_all(message: str) -> Rejected | OutcomeUnknown:
    words = message.lower()
    if "unable to lock" in words:
        return Rejected(PHONE_LOCKED, message, retryable=True)
    if "merchant does not exist" in words or "wrong credentials" in words:
        return Rejected(_CATCH_ALL, message)
    return OutcomeUnknown(f"{_CATCH_ALL} {message}")


def _apigee(fault: Any, status: int) -> Rejected | OutcomeUnknown | Invalid:
    detail = fault.get("detail") if isinstance(fault, dict) else None
    code = str(detail.get("errorcode")) if isinstance(detail, dict) else ""
    said = str(fault.get("faultstring") or "") if isinstance(fault, dict) else ""
    if "ratelimit" in code.lower() or status == 429:
        return Rejected(code or "429", said, retryable=True)
    if "accesstoken" in code.lower() or "access token" in said.lower():
        return Invalid()
    if "apiproduct" in said.lower():
        return Rejected(code or "no_product", said)
    return OutcomeUnknown(f"gateway fault {code}")
