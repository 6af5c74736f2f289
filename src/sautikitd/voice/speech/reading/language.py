"""What a language must be able to say, so that written numbers, money, dates and codes can be read out in it."""

from collections.abc import Mapping, Sequence
from datetime import date, time
from typing import Protocol

LARGEST = 10**12
"""Integers from here on are read digit by digit: nobody follows a longer number over a telephone."""


class Language(Protocol):
    def cardinal(self, number: int) -> str:
        """An integer below `LARGEST` in words; negative ones too."""
        ...

    def ordinal(self, number: int) -> str:
        """1 or more: `third`; in Swahili with the connective of no particular noun, `ya tatu`."""
        ...

    def decimal(self, whole: int, fraction: str) -> str:
        """`fraction` are the digits after the point, read one by one."""
        ...

    def percent(self, number: str) -> str:
        """`number` is in words."""
        ...

    def money(self, currency: str, units: str, cents: int) -> str:
        """`currency` of `CURRENCIES`; `units` in words, `cents` 0 to 99."""
        ...

    def date(self, day: date, *, with_year: bool) -> str: ...

    def time(self, at: time, *, half_known: bool) -> str:
        """`half_known` False: nobody said whether it is before or after noon, so neither do we."""
        ...

    def span(self, first: str, last: str) -> str:
        """From one to another, both in words."""
        ...

    def character(self, character: str) -> str:
        """One digit, sign or letter by its name; a letter is its own name."""
        ...


def spelled(language: Language, text: str, groups: Sequence[int] = ()) -> str:
    """Character by character; a comma, which is a pause, after each group of so many, the last of them for the rest."""
    words: list[str] = []
    left = list(groups) or [len(text)]
    room = left.pop(0)
    for place, character in enumerate(text):
        words.append(language.character(character))
        room -= 1
        if room == 0 and place < len(text) - 1:
            words[-1] += ","
            room = left.pop(0) if left else groups[-1]
    return " ".join(word for word in words if word)


CURRENCIES: Mapping[str, str] = {
    "kes": "KES",
    "ksh": "KES",
    "kshs": "KES",
    "ksh.": "KES",
    "kshs.": "KES",
    "sh": "KES",
    "shs": "KES",
    "sh.": "KES",
    "shs.": "KES",
    "bob": "KES",
    "shilling": "KES",
    "shillings": "KES",
    "shilingi": "KES",
    "tzs": "TZS",
    "tsh": "TZS",
    "ugx": "UGX",
    "ush": "UGX",
    "usd": "USD",
    "us$": "USD",
    "$": "USD",
    "eur": "EUR",
    "€": "EUR",
    "gbp": "GBP",
    "£": "GBP",
}
"""How amounts are marked, in lower case, and the currency (ISO 4217) that is meant. `Sh` alone is Kenya's."""
