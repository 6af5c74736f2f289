"""What can be wrong with a telephone number, each with a sentence for the person who typed it."""

from enum import StrEnum

import msgspec


class NumberProblem(StrEnum):
    EMPTY = "empty"
    CHARACTERS = "characters"
    NOT_A_NUMBER = "not_a_number"
    COUNTRY_CODE = "country_code"
    TOO_SHORT = "too_short"
    TOO_LONG = "too_long"
    NOT_IN_PLAN = "not_in_plan"


_TEXTS = {
    NumberProblem.EMPTY: "a telephone number is needed, like +254712345678",
    NumberProblem.CHARACTERS: "only the digits 0 to 9, a leading + and spaces, dots, dashes or brackets between them",
    NumberProblem.NOT_A_NUMBER: "not a telephone number; write it like +254712345678",
    NumberProblem.COUNTRY_CODE: "no country has this country code; write Kenyan numbers like +254712345678",
    NumberProblem.TOO_SHORT: "too short for a telephone number; write it like +254712345678",
    NumberProblem.TOO_LONG: "too long for a telephone number; write it like +254712345678",
    NumberProblem.NOT_IN_PLAN: "no such number exists in the numbering plan of its country",
}


class BadNumber(msgspec.Struct, frozen=True):
    """Not a telephone number. `reason` is for the one who gave it."""

    problem: NumberProblem

    @property
    def reason(self) -> str:
        return _TEXTS[self.problem]
