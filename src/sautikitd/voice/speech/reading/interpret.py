"""SSML's `say-as`: a text read as what its author says it is."""

import re

from sautikitd.voice.speech.reading.grammar import language_of, read_out
from sautikitd.voice.speech.reading.language import CURRENCIES, LARGEST, Language, spelled
from sautikitd.voice.speech.reading.numerals import (
    code_said,
    day_of,
    money_said,
    number_of,
    telephone_said,
    time_of,
)

_CURRENCY = re.compile(r"(\D*?)\s*(-?[0-9][0-9,.]*)\s*(\D*)")
_MOST_SPELLED = 200


def interpreted(text: str, interpret_as: str, form: str, tag: str) -> str:
    """`text` as `interpret_as` of `flow.ssml.SAY_AS`; as running text where it is no such thing. `form` is the
    `format` of a date: `dmy`, `mdy` or `ymd`; `tag` the language."""
    language = language_of(tag)
    if language is None:
        return text
    stripped = text.strip()
    return _as(stripped, interpret_as, form, language) or read_out(text, tag)


def _as(text: str, interpret_as: str, form: str, language: Language) -> str | None:
    match interpret_as:
        case "digits" | "characters" | "spell-out" | "verbatim":
            short = text[:_MOST_SPELLED]
            return code_said(language, short) if short.isalnum() else spelled(language, short)
        case "telephone":
            return telephone_said(language, text[:_MOST_SPELLED])
        case "cardinal" | "number":
            number = number_of(text)
            return None if number is None else number.said(language)
        case "ordinal":
            number = number_of(re.sub(r"(?<=[0-9])(?:st|nd|rd|th)$", "", text))
            if number is None or number.negative or number.fraction or not 0 < number.whole < LARGEST:
                return None
            return language.ordinal(number.whole)
        case "date":
            day = day_of(_day_first(text, form))
            return None if day is None else language.date(day[0], with_year=day[1])
        case "time":
            at = time_of(text)
            return None if at is None else language.time(at[0], half_known=at[1])
        case "currency":
            return _currency(text, language)
    return None


def _day_first(text: str, form: str) -> str:
    """A date in figures put in the order day, month, year."""
    figures = re.split(r"[\s/.-]+", text)
    order = form.lower()
    if sorted(order) != ["d", "m", "y"] or len(figures) != 3:
        return text
    return "/".join(figures[order.index(part)] for part in "dmy")


def _currency(text: str, language: Language) -> str | None:
    found = _CURRENCY.fullmatch(text)
    if found is None:
        return None
    currency = CURRENCIES.get((found[1] or found[3] or "kes").strip().lower())
    number = number_of(found[2])
    return None if currency is None or number is None else money_said(language, currency, number)
