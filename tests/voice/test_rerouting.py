"""Which failures speak against the trunk, and which are the callee's word."""

import pytest

from sautikitd.voice.rerouting import failure_of_the_way
from sautikitd.voice.sip.causes import Reason, cause_of
from sautikitd.voice.sip.events import Failed, Progress, Silent


def failed(code: int, q850: int | None = None, *, local: bool = False) -> Failed:
    reasons = [Reason("Q.850", q850)] if q850 else []
    return Failed(code, "Said", cause_of(code, reasons, local=local), local=local)


@pytest.mark.parametrize("code", [500, 502, 503, 504, 580, 401, 407])
def test_a_trunk_that_fails_or_does_not_let_us_in_is_left(code: int) -> None:
    found = failure_of_the_way(failed(code))
    assert found is not None
    assert (found.why, found.unreachable) == (f"answered INVITE with {code} Said", False)


@pytest.mark.parametrize("code", [302, 403, 404, 408, 410, 480, 484, 486, 487, 488, 600, 603, 604])
def test_what_the_callee_says_is_final(code: int) -> None:
    assert failure_of_the_way(failed(code)) is None


@pytest.mark.parametrize("q850", [1, 17, 18, 19, 21, 28])
def test_a_5xx_whose_reason_names_the_callee_is_final(q850: int) -> None:
    assert failure_of_the_way(failed(503, q850)) is None


@pytest.mark.parametrize("q850", [34, 38, 41, 42])
def test_a_5xx_whose_reason_names_the_network_is_not(q850: int) -> None:
    assert failure_of_the_way(failed(500, q850)) is not None


@pytest.mark.parametrize("event", [Silent(), failed(503, local=True), failed(408, local=True)])
def test_a_trunk_that_nobody_speaks_at_is_left_and_suspected(event: Silent | Failed) -> None:
    found = failure_of_the_way(event)
    assert found is not None
    assert found.unreachable


def test_our_own_giving_up_and_news_of_the_call_say_nothing_against_it() -> None:
    assert failure_of_the_way(Progress(180, "Ringing")) is None
    assert failure_of_the_way(failed(487, local=True)) is None
