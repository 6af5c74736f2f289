"""What is written in figures, as values: amounts, days, times. Each returns None for what it is not."""

import re
from datetime import date, time
from decimal import Decimal

import msgspec

from sautikitd.voice.speech.reading.language import LARGEST, Language, spelled

INTEGER = r"(?:[0-9]{1,3}(?:,[0-9]{3})+|[0-9]+)"
_NUMBER = re.compile(rf"(-?)({INTEGER})(?:\.([0-9]+))?")
_SCALES = {
    "thousand": 10**3, "elfu": 10**3, "k": 10**3,
    "million": 10**6, "milioni": 10**6, "m": 10**6,
    "billion": 10**9, "bilioni": 10**9,
}  # fmt: skip
SCALE = "thousand|million|billion|elfu|milioni|bilioni"
_MONTHS = {
    name: number
    for number, names in enumerate(
        (
            "january januari jan", "february februari feb", "march machi mar", "april aprili apr", "may mei",
            "june juni jun", "july julai jul", "august agosti aug ago", "september septemba sep sept",
            "october oktoba oct okt", "november novemba nov", "december desemba disemba dec des",
        ),
        start=1,
    )
    for name in names.split()
}  # fmt: skip
MONTH = "|".join(sorted(_MONTHS, key=len, reverse=True))
_LONGEST = 30  # figures in a number that is worth reading


class Number(msgspec.Struct, frozen=True):
    """`fraction` are the digits after the point as they were written."""

    negative: bool
    whole: int
    fraction: str = ""

    def said(self, language: Language) -> str:
        sign = -1 if self.negative else 1
        if not self.fraction:
            return language.cardinal(sign * self.whole)
        words = language.decimal(self.whole, self.fraction)
        return f"{language.cardinal(-1).rpartition(' ')[0]} {words}" if self.negative else words


def number_of(text: str) -> Number | None:
    """`1,250`, `-3.75`, `007`."""
    found = _NUMBER.fullmatch(text.strip().replace("−", "-"))
    if found is None or len(text) > _LONGEST:
        return None
    return Number(bool(found[1]), int(found[2].replace(",", "")), found[3] or "")


def scaled(number: Number, scale: str) -> Number:
    """`2.5` and `million`: 2,500,000, where that is a whole number."""
    factor = _SCALES.get(scale.lower(), 1)
    exact = Decimal(f"{number.whole}.{number.fraction or 0}") * factor
    if factor > 1 and exact == exact.to_integral_value():
        return Number(number.negative, int(exact))
    return number


def money_said(language: Language, currency: str, number: Number) -> str:
    """With cents where they are written as two figures (`.50`, `.5`), else as a decimal number."""
    if number.whole >= LARGEST or len(number.fraction) > 2:
        return language.money(currency, number.said(language), 0)
    units = language.cardinal(-number.whole if number.negative else number.whole)
    return language.money(currency, units, int(number.fraction.ljust(2, "0")) if number.fraction else 0)


def day_of(text: str) -> tuple[date, bool] | None:
    """A day, and whether its year was written: `2026-11-24`, `24/11/2026`, `24th Nov 2026`, `Nov 24`."""
    words = re.split(r"[\s,./-]+", text.strip().strip(","))
    numbers = [word for word in words if word.lower() not in _MONTHS and word.lower() not in ("of", "the")]
    months = [_MONTHS[word.lower()] for word in words if word.lower() in _MONTHS]
    figures = [re.sub(r"(?<=[0-9])(?:st|nd|rd|th)$", "", number.lower()) for number in numbers]
    if not all(figure.isascii() and figure.isdigit() and len(figure) <= 4 for figure in figures):
        return None
    values = [int(figure) for figure in figures]
    try:
        match months, values:
            case [month], [day]:
                return date(2000, month, day), False
            case [month], [day, year]:
                return date(year, month, day), True
            case [], [first, month, last]:
                year, day = (first, last) if len(figures[0]) == 4 else (last, first)
                return date(year + 2000 if year < 100 else year, month, day), True
    except ValueError:  # no such day
        return None
    return None


def time_of(text: str) -> tuple[time, bool] | None:
    """A time of day, and whether it is known to be before or after noon: `14:30`, `2:30 pm`, `7am`; `9:30` is not."""
    found = re.fullmatch(
        r"([0-9]{1,2})(?:[:.]([0-9]{2}))?(?:[:.]([0-9]{2}))?\s*([ap])?\.?(?:m\.?)?", text.strip().lower()
    )
    if found is None or not (found[2] or found[4]):
        return None
    hour, minute, half = int(found[1]), int(found[2] or 0), found[4]
    if half:
        if not 1 <= hour <= 12:
            return None
        hour = hour % 12 + (12 if half == "p" else 0)
    if hour > 23 or minute > 59 or int(found[3] or 0) > 59:
        return None
    return time(hour, minute), bool(half) or hour > 12 or hour == 0 or found[1].startswith("0")


def telephone_said(language: Language, text: str) -> str:
    """A telephone number, figure by figure, in the groups in which it is remembered: `0722, 000, 111`."""
    figures = re.sub(r"[^0-9*#+]", "", text)
    if figures.startswith("+"):
        return spelled(language, figures, (4, 3, 3))
    if figures.startswith(("254", "255", "256")) and len(figures) == 12:
        return spelled(language, figures, (3,))
    return spelled(language, figures, (4, 3, 3) if figures.startswith("0") else (3,))


def code_said(language: Language, text: str) -> str:
    """A code or an id, character by character, in groups of three or four."""
    characters = re.sub(r"\s", "", text)
    size = 4 if len(characters) % 4 == 0 else 3
    return spelled(language, characters, (size,))
