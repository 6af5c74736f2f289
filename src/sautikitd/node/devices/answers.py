"""How a device hears why its call came to nothing: a SIP code, and the reason in words (RFC 3261 §20.43, RFC 3326)."""

import msgspec

from sautikitd.calls.errors import CallsPerSecondReached, ConcurrencyReached
from sautikitd.calls.outcomes import FAILURE_CODES, CallStatus, HangupCause
from sautikitd.errors import Invalid, Refusal
from sautikitd.flow.port import Dialled, DialStatus
from sautikitd.voice.sip.address import quoted
from sautikitd.voice.sip.causes import RULES

_PAYMENT = {"wallet.insufficient_funds", "wallet.spend_limit", "wallet.outbound_paused"}
_BY_CODE = {code: cause for cause, code in FAILURE_CODES.items()}
_STATUSES = {
    DialStatus.BUSY: CallStatus.BUSY,
    DialStatus.NO_ANSWER: CallStatus.NO_ANSWER,
    DialStatus.CANCELED: CallStatus.CANCELED,
}


class DeviceAnswer(msgspec.Struct, frozen=True, kw_only=True):
    """A final answer to an INVITE. `cause` and `status` are for the call's record, where there is one."""

    code: int
    text: str
    cause: HangupCause = HangupCause.REJECTED
    status: CallStatus = CallStatus.FAILED
    retry_after_s: int | None = None

    def headers(self, host: str) -> list[tuple[str, str]]:
        """`host` is who warns: our own. The text goes into both headers, since phones show the one or the other."""
        text = quoted(self.text.replace("\r", " ").replace("\n", " ")[:200])
        headers = [("Warning", f"399 {host} {text}"), ("Reason", f"SIP;cause={self.code};text={text}")]
        if self.retry_after_s is not None:
            headers.append(("Retry-After", str(self.retry_after_s)))
        return headers


def of_refusal(refusal: Refusal) -> DeviceAnswer:
    """For a call that was never entered."""
    text = f"{refusal.code}: {refusal.fields[0].problem if refusal.fields else refusal.text}"
    if isinstance(refusal, Invalid):
        return DeviceAnswer(code=404, text=text)
    if isinstance(refusal, ConcurrencyReached):
        return DeviceAnswer(code=486, text=text)
    if isinstance(refusal, CallsPerSecondReached):
        return DeviceAnswer(code=503, text=text, retry_after_s=1)
    return DeviceAnswer(code=402 if refusal.code in _PAYMENT else 403, text=text)


def of_dialled(dialled: Dialled) -> DeviceAnswer:
    """For a call that nobody answered, or whose leg could not be sent out."""
    status = _STATUSES.get(dialled.status, CallStatus.FAILED)
    if dialled.cause in _PAYMENT:
        return DeviceAnswer(code=402, text=dialled.cause, cause=_BY_CODE[dialled.cause])
    try:
        cause = _BY_CODE.get(dialled.cause) or HangupCause(dialled.cause)
    except ValueError:  # the code of a refusal
        return DeviceAnswer(code=486 if dialled.cause == ConcurrencyReached.code else 403, text=dialled.cause)
    codes = RULES[cause].sip if cause in RULES else ()
    default = 503 if cause is HangupCause.NO_TRUNK else 480
    code = next((code for code in codes if code not in (401, 407, 487, 200)), default)
    return DeviceAnswer(code=code, text=dialled.cause, cause=cause, status=status)
