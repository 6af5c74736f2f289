"""Problems of shape as clients read them."""

from enum import StrEnum
from typing import Annotated, Any, Literal

import msgspec
import pytest

from sautikitd.wording import in_plain_words


class Colour(StrEnum):
    RED = "red"
    BLUE = "blue"


Short = Annotated[str, msgspec.Meta(min_length=1, max_length=3)]
Few = Annotated[list[int], msgspec.Meta(min_length=1, max_length=2)]
Seconds = Annotated[int, msgspec.Meta(ge=5, le=120)]
Shillings = Annotated[int, msgspec.Meta(multiple_of=100)]


@pytest.mark.parametrize(
    ("kind", "value", "problem"),
    [
        (int, "60", "must be a whole number, not text"),
        (int | None, True, "must be a whole number or null, not true or false"),
        (str | list[str], 5, "must be text or a list, not a whole number"),
        (dict[str, Any], [], "must be an object, not a list"),
        (bool, None, "must be true or false, not null"),
        (Seconds, 4, "must be at least 5"),
        (Seconds, 121, "must be at most 120"),
        (Shillings, 150, "must be a multiple of 100"),
        (Short, "", "must have at least 1 character"),
        (Short, "four", "must have at most 3 characters"),
        (Few, [1, 2, 3], "must have at most 2 items"),
        (Colour, "Red", "must be one of red, blue"),
        (Colour | None, "green", "must be one of red, blue"),
        (Annotated[Literal["json", "csv"], msgspec.Meta()], "CSV", "must be one of json, csv"),
    ],
)
def test_a_problem_says_what_is_wanted_without_the_words_of_a_language(
    kind: Any, value: Any, problem: str
) -> None:
    with pytest.raises(msgspec.ValidationError) as caught:
        msgspec.convert(value, kind)
    assert in_plain_words(str(caught.value), kind) == problem


def test_what_has_no_plainer_form_stays() -> None:
    assert in_plain_words("Invalid value 'drum'", str) == "invalid value 'drum'"


def test_times_and_ids_are_said_with_an_example() -> None:
    assert in_plain_words("Invalid UUID", str) == "must be a UUID"
    for said in ("Invalid RFC3339 encoded datetime", "Expected `datetime` with a timezone component"):
        assert in_plain_words(said, str).endswith("2026-11-23T09:30:00Z")
    assert in_plain_words("Expected `datetime`, got `int`", str) == "must be a time, not a whole number"
    assert in_plain_words("Expected `int`, got `float`", int) == "must be a whole number, without a fraction"
