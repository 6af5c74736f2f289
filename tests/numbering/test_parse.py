import pytest

from sautikitd.numbering.parse import NumberClass, TelephoneNumber, parse_number
from sautikitd.numbering.problems import BadNumber, NumberProblem


@pytest.mark.parametrize(
    "raw",
    [
        "+254712345678",
        "0712345678",
        "712345678",
        "254712345678",
        "00254712345678",
        "000254712345678",
        "+2540712345678",
        "+254 (0) 712-345.678",
        " 0712 345 678 ",
    ],
)
def test_kenyan_numbers_are_read_as_people_write_them(raw: str) -> None:
    parsed = parse_number(raw)
    assert isinstance(parsed, TelephoneNumber)
    assert (parsed.e164, parsed.country, parsed.kind) == ("+254712345678", "KE", NumberClass.MOBILE)


@pytest.mark.parametrize(
    ("raw", "problem"),
    [
        ("", NumberProblem.EMPTY),
        ("   ", NumberProblem.EMPTY),
        ("O712345678", NumberProblem.CHARACTERS),
        ("0712345678 ext 2", NumberProblem.CHARACTERS),
        ("0712345678;ext=2", NumberProblem.CHARACTERS),
        ("٠٧١٢٣٤٥٦٧٨", NumberProblem.CHARACTERS),
        ("\uff10\uff17\uff11\uff12345678", NumberProblem.CHARACTERS),
        ("0712345678\n1", NumberProblem.CHARACTERS),
        ("1234", NumberProblem.TOO_SHORT),
        ("+254", NumberProblem.TOO_SHORT),
        ("+25471234567812345", NumberProblem.TOO_LONG),
        ("+2547123456789012345678901234567890123456", NumberProblem.TOO_LONG),
        ("+999123456", NumberProblem.COUNTRY_CODE),
        ("07123456789", NumberProblem.NOT_IN_PLAN),
        ("+254800123456", NumberProblem.NOT_IN_PLAN),
    ],
)
def test_what_is_no_number_says_why(raw: str, problem: NumberProblem) -> None:
    assert parse_number(raw) == BadNumber(problem)


@pytest.mark.parametrize(
    ("raw", "kind"),
    [
        ("0203456789", NumberClass.GEOGRAPHIC),
        ("0110345678", NumberClass.MOBILE),
        ("0800723456", NumberClass.TOLL_FREE),
        ("0900212345", NumberClass.PREMIUM),
        ("+881612345678", NumberClass.SATELLITE),
        ("+870773111632", NumberClass.SATELLITE),
    ],
)
def test_numbers_have_a_class(raw: str, kind: NumberClass) -> None:
    parsed = parse_number(raw)
    assert isinstance(parsed, TelephoneNumber)
    assert parsed.kind == kind


def test_the_numbers_of_test_mode_are_numbers() -> None:
    for last in range(21):
        parsed = parse_number(f"+2542000000{last:02}", test_mode=True)
        assert isinstance(parsed, TelephoneNumber)
