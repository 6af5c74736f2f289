import pytest
from hypothesis import given
from hypothesis import strategies as st

from sautikitd.numbering.emergency import EMERGENCY_NUMBERS, is_emergency


@pytest.mark.parametrize(
    "raw",
    [
        "999",
        "112",
        "911",
        " 9 9 9 ",
        "1-1-2",
        "+999",
        "+254999",
        "254 112",
        "+254 (0) 911",
        "00254999",
        "000254112",
        "0999",
        "00112",
        "tel:999",
        "tel:+254-999",
        "TEL:112;phone-context=+254",
        "sip:911@carrier.example",
        "sips:999:secret@carrier.example;transport=tls",
        "sip://112@carrier.example",
        '"Mum" <sip:999@carrier.example>;tag=1',
        "sip:%39%39%39@carrier.example",
        "sip:%2539%2539%2539@carrier.example",
        "999@carrier.example",
        "999,,1",
        "999 ext 1",
        "112#",
        "\uff19\uff19\uff19",
        "٩١١",
    ],
)
def test_emergency_numbers_are_known_in_every_form(raw: str) -> None:
    assert is_emergency(raw)


@pytest.mark.parametrize(
    "raw", ["", "+254712345678", "0999123456", "9990", "1120", "sip:bob@999.example", "+254209991112", "99"]
)
def test_other_numbers_are_not_taken_for_one(raw: str) -> None:
    assert not is_emergency(raw)


@given(
    st.sampled_from(sorted(EMERGENCY_NUMBERS)),
    st.sampled_from(
        ["", "+", "+254", "254", "00254", "000254", "0", "tel:", "tel:+254", "sip:", "sips:+254"]
    ),
    st.lists(st.sampled_from(["", " ", "-", ".", "(", ")", "\u00a0"]), min_size=3, max_size=3),
    st.sampled_from(["", "@host.example", ";user=phone", "@10.0.0.1:5060;transport=udp"]),
)
def test_prefix_separators_and_suffix_never_hide_one(
    number: str, prefix: str, between: list[str], suffix: str
) -> None:
    written = "".join(digit + gap for digit, gap in zip(number, between, strict=True))
    assert is_emergency(prefix + written + suffix)
