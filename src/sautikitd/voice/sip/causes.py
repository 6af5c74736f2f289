"""The one table from SIP's final answers to what a call record says.

`hangup_cause` is a closed list. Each cause has its call status, the SIP codes and Q.850 causes it is
made of, and advice for the developer who reads it. A Reason header with a Q.850 cause (RFC 3326) is
trusted before the SIP code where it says more, since gateways fold many causes into 480 and 503.
"""

import re
from collections.abc import Iterable

import msgspec

from sautikitd.calls.outcomes import CallStatus, HangupCause


class CauseRule(msgspec.Struct, frozen=True):
    outcome: CallStatus
    sip: tuple[int, ...]  # final status codes that mean this cause
    q850: tuple[int, ...]  # causes of ITU-T Q.850 that mean this cause
    retry: bool  # whether the same call may succeed soon, perhaps over another trunk
    advice: str


_FAILED, _BUSY, _NO_ANSWER = CallStatus.FAILED, CallStatus.BUSY, CallStatus.NO_ANSWER

RULES: dict[HangupCause, CauseRule] = {
    HangupCause.NORMAL_CLEARING: CauseRule(
        CallStatus.COMPLETED, (200,), (16, 31), False, "The call was answered and one side hung up."
    ),
    HangupCause.CANCELED: CauseRule(
        CallStatus.CANCELED, (487,), (), False, "The caller gave up before there was an answer."
    ),
    HangupCause.USER_BUSY: CauseRule(
        _BUSY, (486, 600), (17,), True, "In another call. Try again in some minutes."
    ),
    HangupCause.NO_ANSWER: CauseRule(
        _NO_ANSWER, (480,), (18, 19), True, "It rang, or the phone is off. Try at another time of day."
    ),
    HangupCause.CALL_REJECTED: CauseRule(
        _FAILED,
        (403, 603),
        (21, 55, 57),
        False,
        "Declined by the person or barred by the network. Do not retry.",
    ),
    HangupCause.UNWANTED: CauseRule(
        _FAILED, (607, 608), (), False, "Marked as unwanted by the person or a filter. Remove from the list."
    ),
    HangupCause.UNALLOCATED_NUMBER: CauseRule(
        _FAILED, (404, 604), (1,), False, "The number is not in use. Correct it or remove it."
    ),
    HangupCause.NUMBER_CHANGED: CauseRule(
        _FAILED, (301, 410), (22,), False, "The subscriber has a new number. Ask for it."
    ),
    HangupCause.INVALID_NUMBER: CauseRule(
        _FAILED, (414, 416, 484, 485), (28,), False, "Not a complete number. Check it against E.164."
    ),
    HangupCause.DESTINATION_UNREACHABLE: CauseRule(
        _FAILED, (502, 504), (2, 3, 20, 27), True, "The network has no way there now. Try later."
    ),
    HangupCause.REDIRECTED: CauseRule(
        _FAILED, (300, 302, 305, 380), (), False, "Diverted to where this workspace may not call."
    ),
    HangupCause.MEDIA_INCOMPATIBLE: CauseRule(
        _FAILED,
        (406, 415, 488, 606),
        (65, 79, 88),
        False,
        "No codec in common. The operator must check the trunk.",
    ),
    HangupCause.CONGESTION: CauseRule(
        _FAILED,
        (500, 503),
        (34, 38, 41, 42, 44, 47),
        True,
        "The carrier is full or failing. Try in a minute.",
    ),
    HangupCause.TRUNK_FAILURE: CauseRule(
        _FAILED,
        (401, 402, 407),
        (50, 52, 54),
        False,
        "The trunk refused our credentials. The operator must act.",
    ),
    HangupCause.NETWORK_ERROR: CauseRule(
        _FAILED, (430,), (), True, "The trunk could not be reached. The operator's trunk check says why."
    ),
    HangupCause.TIMEOUT: CauseRule(
        _FAILED, (408,), (102,), True, "The trunk did not answer our signalling in time."
    ),
    HangupCause.PROTOCOL_ERROR: CauseRule(
        _FAILED,
        (400, 405, 413, 420, 421, 481, 482, 483, 491, 493, 501, 505, 513),
        (95, 96, 97, 99, 100, 101, 111, 127),
        False,
        "The far end did not accept our signalling. Report it with the call id.",
    ),
    HangupCause.MEDIA_TIMEOUT: CauseRule(
        _FAILED, (), (), True, "The sound stopped and the far end was gone."
    ),
    HangupCause.LOST_RACE: CauseRule(CallStatus.CANCELED, (), (26,), False, "Another target answered first."),
    HangupCause.NODE_LOST: CauseRule(_FAILED, (), (), True, "The machine running the call died."),
    HangupCause.MEDIA_LOST: CauseRule(_FAILED, (), (), True, "A fault of ours ended the sound. Try again."),
    HangupCause.EXPIRED_IN_QUEUE: CauseRule(
        CallStatus.CANCELED,
        (),
        (),
        True,
        "It waited longer than `expires_in_seconds`. Place fewer, or allow more.",
    ),
    HangupCause.INSUFFICIENT_FUNDS: CauseRule(
        _FAILED, (), (), True, "The wallet could not bear the call. Top up, then place it again."
    ),
    HangupCause.SPEND_LIMIT: CauseRule(
        _FAILED,
        (),
        (),
        True,
        "It would have passed a cap on spending. Have the cap raised; a day's starts anew at midnight in Nairobi.",
    ),
    HangupCause.OUTBOUND_PAUSED: CauseRule(
        _FAILED, (), (), False, "Outbound calls are paused for unusual spending. Write to support."
    ),
    HangupCause.MAX_DURATION: CauseRule(
        CallStatus.COMPLETED, (), (), False, "It lasted as long as `max_duration_seconds` allowed."
    ),
    HangupCause.NO_TRUNK: CauseRule(
        _FAILED, (), (), True, "No trunk is in service. The operator must add one."
    ),
    HangupCause.REJECTED: CauseRule(
        _FAILED, (), (), False, "The number's flow refused the caller, or had no answer."
    ),
    HangupCause.SUSPENDED: CauseRule(_FAILED, (), (), False, "The workspace is suspended. Write to support."),
    HangupCause.INTERNAL_ERROR: CauseRule(
        _FAILED,
        (),
        (),
        True,
        "A fault of ours, of this call alone. Try again, and report it with the call id.",
    ),
}

_BY_SIP = {code: cause for cause, rule in RULES.items() for code in rule.sip}
_BY_Q850 = {number: cause for cause, rule in RULES.items() for number in rule.q850}
_VAGUE = frozenset((480, 500, 503, 603))  # what gateways send for any Q.850 cause (RFC 3398 §7.2.4.1)


class Reason(msgspec.Struct, frozen=True):
    """One value of a Reason header (RFC 3326)."""

    protocol: str  # upper case: "SIP" or "Q.850"
    cause: int
    text: str = ""

    def __str__(self) -> str:
        text = f';text="{self.text}"' if self.text else ""
        return f"{self.protocol};cause={self.cause}{text}"


def read_reasons(values: Iterable[str]) -> tuple[Reason, ...]:
    """Reads Reason header values; those that make no sense are left out."""
    found = []
    for value in values:
        protocol, _, params = value.partition(";")
        cause = re.search(r"(?:^|;)\s*cause\s*=\s*([0-9]{1,3})", params, re.IGNORECASE)
        text = re.search(r'(?:^|;)\s*text\s*=\s*"([^"]*)"', params, re.IGNORECASE)
        if cause:
            found.append(Reason(protocol.strip().upper(), int(cause[1]), text[1] if text else ""))
    return tuple(found)


def cause_of(code: int, reasons: Iterable[Reason] = (), *, local: bool = False) -> HangupCause:
    """The cause for a final SIP status of an INVITE. `local`: made by us, 408 or 503, not received."""
    if local and code == 503:
        return HangupCause.NETWORK_ERROR
    for reason in reasons:
        told = _BY_Q850.get(reason.cause) if reason.protocol == "Q.850" else None
        vague = code in _VAGUE or code not in _BY_SIP
        if told is not None and told is not HangupCause.NORMAL_CLEARING and vague:
            return told
        if reason.protocol == "SIP" and reason.cause == 200 and code == 487:
            return HangupCause.LOST_RACE  # RFC 3326 §3.1: call completed elsewhere
    if code in _BY_SIP and code >= 300:
        return _BY_SIP[code]
    nearest = {3: HangupCause.REDIRECTED, 5: HangupCause.CONGESTION, 6: HangupCause.CALL_REJECTED}
    return nearest.get(code // 100, HangupCause.PROTOCOL_ERROR)


def outcome_of(cause: HangupCause) -> CallStatus:
    return RULES[cause].outcome
