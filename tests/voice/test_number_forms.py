"""Numbers as trunks want them, and read again as what they were."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sautikitd.numbering.parse import TelephoneNumber, parse_number
from sautikitd.voice.number_forms import NumberForm, written


@pytest.mark.parametrize(
    ("form", "home", "abroad"),
    [
        (NumberForm.PLUS, "+254712345678", "+442071838750"),
        (NumberForm.DIGITS, "254712345678", "442071838750"),
        (NumberForm.NATIONAL, "0712345678", "000442071838750"),
    ],
)
def test_each_form_of_a_number_at_home_and_abroad(form: NumberForm, home: str, abroad: str) -> None:
    assert written("+254712345678", form) == home
    assert written("+442071838750", form) == abroad


def test_steering_digits_stand_before_the_number() -> None:
    assert written("+254712345678", NumberForm.DIGITS, "9901#") == "9901#254712345678"


@pytest.mark.parametrize("text", ["anonymous", "wanjiru", "", "+25471x", "0712345678", "+" + "1" * 16])
def test_what_is_no_e164_number_stays_as_it_is(text: str) -> None:
    assert written(text, NumberForm.NATIONAL, "99") == text


@given(st.integers(0, 99_999_999), st.sampled_from(list(NumberForm)))
def test_a_kenyan_mobile_number_is_read_back_from_every_form(last: int, form: NumberForm) -> None:
    number = f"+2547{last:08d}"
    if not isinstance(parse_number(number), TelephoneNumber):
        return
    read = parse_number(written(number, form))
    assert isinstance(read, TelephoneNumber)
    assert read.e164 == number
