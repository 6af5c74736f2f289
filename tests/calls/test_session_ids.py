from hypothesis import given
from hypothesis import strategies as st

from sautikitd.calls.session_ids import SessionIds, is_session_id

NUMBERS = st.integers(0, 2**48 - 1)


@given(NUMBERS, NUMBERS)
def test_no_two_calls_share_a_session_id(one: int, other: int) -> None:
    ids = SessionIds(b"key")
    assert (ids.of(one) == ids.of(other)) == (one == other)


@given(NUMBERS)
def test_a_session_id_looks_like_one(number: int) -> None:
    assert is_session_id(SessionIds(b"key").of(number))


def test_without_the_key_the_next_one_is_anybodys_guess() -> None:
    first, second = (int(SessionIds(b"key").of(number)[3:], 16) for number in (1, 2))
    assert abs(first - second) > 1000
    assert SessionIds(b"key").of(1) != SessionIds(b"another").of(1)
