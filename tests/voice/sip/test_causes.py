"""The table of causes: closed, complete and consistent."""

import pytest

from sautikitd.calls.outcomes import CallStatus, HangupCause
from sautikitd.voice.sip.causes import (
    RULES,
    Reason,
    cause_of,
    outcome_of,
    read_reasons,
)


def test_every_cause_has_its_rule_and_no_code_two_causes() -> None:
    assert set(RULES) == set(HangupCause)
    for codes in ([c for r in RULES.values() for c in r.sip], [c for r in RULES.values() for c in r.q850]):
        assert len(codes) == len(set(codes))
    assert all(rule.advice.endswith(".") for rule in RULES.values())


def test_every_final_code_means_an_unanswered_call() -> None:
    assert CallStatus.COMPLETED not in {outcome_of(cause_of(code)) for code in range(300, 700)}


@pytest.mark.parametrize(
    ("code", "reasons", "local", "cause", "outcome"),
    [
        (486, (), False, HangupCause.USER_BUSY, CallStatus.BUSY),
        (480, (), False, HangupCause.NO_ANSWER, CallStatus.NO_ANSWER),
        (487, (), False, HangupCause.CANCELED, CallStatus.CANCELED),
        (408, (), True, HangupCause.TIMEOUT, CallStatus.FAILED),
        (503, (), True, HangupCause.NETWORK_ERROR, CallStatus.FAILED),
        (503, (), False, HangupCause.CONGESTION, CallStatus.FAILED),
        (503, (Reason("Q.850", 1),), False, HangupCause.UNALLOCATED_NUMBER, CallStatus.FAILED),
        (480, (Reason("Q.850", 17),), False, HangupCause.USER_BUSY, CallStatus.BUSY),
        (404, (Reason("Q.850", 17),), False, HangupCause.UNALLOCATED_NUMBER, CallStatus.FAILED),
        (480, (Reason("Q.850", 16),), False, HangupCause.NO_ANSWER, CallStatus.NO_ANSWER),
        (487, (Reason("SIP", 200),), False, HangupCause.LOST_RACE, CallStatus.CANCELED),
        (599, (), False, HangupCause.CONGESTION, CallStatus.FAILED),
        (699, (), False, HangupCause.CALL_REJECTED, CallStatus.FAILED),
    ],
)
def test_codes_and_reasons_give_causes(
    code: int, reasons: tuple[Reason, ...], local: bool, cause: HangupCause, outcome: CallStatus
) -> None:
    assert cause_of(code, reasons, local=local) is cause
    assert outcome_of(cause) is outcome


def test_reason_headers_are_read_leniently() -> None:
    values = ['Q.850 ; cause=16 ;text="Normal"', "SIP;text=x", "q.850;cause=abc", "", "SIP;cause=200"]
    assert read_reasons(values) == (Reason("Q.850", 16, "Normal"), Reason("SIP", 200))
