"""Every number said can be read back by a parser that knows nothing of how it was made."""

import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sautikitd.voice.speech.reading.english import English
from sautikitd.voice.speech.reading.language import LARGEST
from sautikitd.voice.speech.reading.swahili import Swahili

NUMBERS = st.one_of(
    st.integers(0, 10**9),
    st.integers(0, 2000),
    st.builds(lambda digit, power: digit * 10**power, st.integers(1, 999), st.integers(0, 6)),
    st.integers(0, LARGEST - 1),
)

ENGLISH_WORDS = {
    word: value
    for value, word in enumerate(
        [
            "zero",
            "one",
            "two",
            "three",
            "four",
            "five",
            "six",
            "seven",
            "eight",
            "nine",
            "ten",
            "eleven",
            "twelve",
            "thirteen",
            "fourteen",
            "fifteen",
            "sixteen",
            "seventeen",
            "eighteen",
            "nineteen",
        ]
    )
} | dict(
    zip(
        ["twenty", "thirty", "forty", "fifty", "sixty", "seventy", "eighty", "ninety"],
        range(20, 100, 10),
        strict=True,
    )
)
SWAHILI_WORDS = {
    "sifuri": 0, "moja": 1, "mbili": 2, "tatu": 3, "nne": 4, "tano": 5, "sita": 6, "saba": 7, "nane": 8, "tisa": 9,
    "kumi": 10, "ishirini": 20, "thelathini": 30, "arobaini": 40, "hamsini": 50, "sitini": 60, "sabini": 70,
    "themanini": 80, "tisini": 90,
}  # fmt: skip
SWAHILI_SCALES = {"elfu": 1000, "laki": 100_000, "milioni": 10**6, "bilioni": 10**9}


def english_value(words: str) -> int:
    total = group = 0
    for word in words.replace("-", " ").split():
        if word == "and":
            continue
        if word == "hundred":
            group *= 100
        elif word in ("thousand", "million", "billion"):
            total += group * {"thousand": 1000, "million": 10**6, "billion": 10**9}[word]
            group = 0
        else:
            group += ENGLISH_WORDS[word]
    return total + group


def swahili_value(words: str) -> int:
    """Commas part the groups; within one, `mia` multiplies the word after it and everything else adds."""
    total = 0
    for group in words.split(","):
        tokens = [token for token in group.split() if token != "na"]
        scale = SWAHILI_SCALES.get(tokens[0], 1)
        if scale > 1:
            tokens = tokens[1:]
        value = 0
        for place, token in enumerate(tokens):
            if token == "mia":
                continue
            value += SWAHILI_WORDS[token] * (100 if place and tokens[place - 1] == "mia" else 1)
        total += value * scale
    return total


@given(NUMBERS)
def test_an_english_number_reads_back(number: int) -> None:
    assert english_value(English().cardinal(number)) == number


@given(NUMBERS)
def test_a_swahili_number_reads_back(number: int) -> None:
    assert swahili_value(Swahili().cardinal(number)) == number


def test_ten_thousand_numbers_drawn_evenly_up_to_a_billion_read_back() -> None:
    draw = random.Random(1963)
    for number in [*range(3000), *(draw.randrange(10**9) for _ in range(7000)), 10**9]:
        assert english_value(English().cardinal(number)) == number
        assert swahili_value(Swahili().cardinal(number)) == number


def test_no_two_swahili_numbers_sound_the_same() -> None:
    numbers = [*range(2000), *range(20_000, 22_000), *range(100_000, 102_000), *range(200_000, 210_000)]
    assert len({Swahili().cardinal(number) for number in numbers}) == len(numbers)


@pytest.mark.parametrize(
    ("number", "english", "swahili"),
    [
        (0, "zero", "sifuri"),
        (15, "fifteen", "kumi na tano"),
        (101, "one hundred and one", "mia moja na moja"),
        (567, "five hundred and sixty-seven", "mia tano sitini na saba"),
        (1963, "one thousand nine hundred and sixty-three", "elfu moja, mia tisa sitini na tatu"),
        (20_001, "twenty thousand and one", "elfu ishirini, na moja"),
        (21_000, "twenty-one thousand", "elfu ishirini na moja"),
        (250_000, "two hundred and fifty thousand", "laki mbili, elfu hamsini"),
        (-5, "minus five", "hasi tano"),
    ],
)
def test_numbers_are_said_as_people_say_them(number: int, english: str, swahili: str) -> None:
    assert English().cardinal(number) == english
    assert Swahili().cardinal(number) == swahili


@pytest.mark.parametrize(
    ("number", "words"),
    [
        (1, "first"),
        (2, "second"),
        (12, "twelfth"),
        (20, "twentieth"),
        (23, "twenty-third"),
        (100, "one hundredth"),
    ],
)
def test_english_ordinals(number: int, words: str) -> None:
    assert English().ordinal(number) == words
