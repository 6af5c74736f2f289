import pytest
from hypothesis import given
from hypothesis import strategies as st

from sautikitd.identity.account_reference import account_reference, is_account_reference

REFERENCES = st.integers(min_value=1_000_000, max_value=9_999_999).map(account_reference)


def test_it_is_eight_digits_with_damms_check_digit() -> None:
    assert is_account_reference(account_reference(1_000_001))
    assert account_reference(1_000_572) == "10005723"


@given(REFERENCES, st.integers(0, 7), st.integers(1, 9))
def test_one_wrong_digit_is_always_found(reference: str, place: int, by: int) -> None:
    digit = (int(reference[place]) + by) % 10
    assert not is_account_reference(f"{reference[:place]}{digit}{reference[place + 1 :]}")


@given(REFERENCES, st.integers(0, 6))
def test_two_swapped_neighbours_are_always_found(reference: str, place: int) -> None:
    one, other = reference[place], reference[place + 1]
    swapped = f"{reference[:place]}{other}{one}{reference[place + 2 :]}"
    assert is_account_reference(swapped) == (one == other)


@pytest.mark.parametrize("typed", ["", "1", "1000001", "100000145", "abcdefgh", "١٢٣٤٥٦٧٨"])
def test_other_text_is_none(typed: str) -> None:
    assert not is_account_reference(typed)


@pytest.mark.parametrize("sequence", [0, 999_999, 10_000_000])
def test_the_sequence_has_seven_digits(sequence: int) -> None:
    with pytest.raises(ValueError, match="seven digits"):
        account_reference(sequence)
