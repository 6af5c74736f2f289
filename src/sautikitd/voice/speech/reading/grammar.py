"""Finds figures in running text and has them read out: money, dates, times, telephone numbers, codes, plain numbers.

The rules are asked in order; what one has taken no later one sees. What none takes is left to the synthesiser.
"""

import re
from collections.abc import Callable

import msgspec

from sautikitd.voice.speech.reading.english import English
from sautikitd.voice.speech.reading.language import CURRENCIES, Language, spelled
from sautikitd.voice.speech.reading.numerals import (
    INTEGER,
    MONTH,
    SCALE,
    Number,
    code_said,
    day_of,
    money_said,
    number_of,
    scaled,
    telephone_said,
    time_of,
)
from sautikitd.voice.speech.reading.swahili import Swahili

_ENGLISH, _SWAHILI = English(), Swahili()
_LANGUAGES: dict[str, Language] = {"en": _ENGLISH, "sw": _SWAHILI}

Found = re.Match[str]
Words = str | None
"""None: this was not what the rule is for, and it leaves the text alone."""


class Rule(msgspec.Struct, frozen=True):
    pattern: re.Pattern[str]
    said: Callable[[Found, Language], Words]


def language_of(tag: str) -> Language | None:
    """The reader of a BCP 47 language; None for one whose figures are left to the synthesiser."""
    return _LANGUAGES.get(tag.partition("-")[0].lower())


def read_out(text: str, tag: str) -> str:
    """The text with its figures in words of the language `tag` (BCP 47). Never fails; long digit runs stay bounded."""
    language = language_of(tag)
    if language is None:
        return text
    taken: list[tuple[int, int, str]] = []
    used = bytearray(len(text))
    for rule in _RULES:
        for found in rule.pattern.finditer(text):
            start, end = found.span()
            if any(used[start:end]):
                continue
            words = rule.said(found, language)
            if words is not None:
                taken.append((start, end, words))
                used[start:end] = b"\1" * (end - start)
    made, position = [], 0
    for start, end, words in sorted(taken):
        made += [text[position:start], words]
        position = end
    return "".join([*made, text[position:]])


def _untouched(found: Found, _: Language) -> Words:
    return found[0]


def _money(found: Found, language: Language) -> Words:
    number = number_of(found["amount"] or found["amount2"])
    currency = CURRENCIES.get((found["mark"] or found["mark2"] or "sh").lower().rstrip())
    if number is None or currency is None:
        return None
    return money_said(language, currency, scaled(number, found["scale"] or found["scale2"] or ""))


def _date(found: Found, language: Language) -> Words:
    day = day_of(found["day"])
    if day is None:
        return None
    said = language.date(day[0], with_year=day[1])
    return _without_doubled(said, found["before"] or "")


def _time(found: Found, language: Language) -> Words:
    """`Saa 2:30` counts from dawn or dusk already, as its author does; a bare `2:30` and `saa 14:30` do not."""
    read = time_of(found["time"])
    if read is None:
        return None
    at, half_known = read
    before = found["before"] or ""
    if isinstance(language, Swahili) and before and not half_known:
        at = at.replace(hour=(at.hour + 6) % 24)
    return _without_doubled(language.time(at, half_known=half_known), before)


def _without_doubled(said: str, before: str) -> str:
    """`tarehe 24/11` and `saa 14:30` have the noun already, `the 24th November` its article."""
    first, _, rest = said.partition(" ")
    if not before:
        return said
    return f"{before}{rest}" if before.strip().lower() == first else f"{before}{said}"


def _percent(found: Found, language: Language) -> Words:
    number = number_of(found["number"])
    return None if number is None else language.percent(number.said(language))


def _telephone(found: Found, language: Language) -> Words:
    return telephone_said(language, found[0])


def _dialled_code(found: Found, language: Language) -> Words:
    return spelled(language, found[0])


def _ordinal(found: Found, language: Language) -> Words:
    return language.ordinal(int(found["number"]))


def _swahili_ordinal(found: Found, language: Language) -> Words:
    if not isinstance(language, Swahili):
        return None
    return f"{found['link']} {language.ordinal_stem(int(found['number']))}"


def _code(found: Found, language: Language) -> Words:
    return found["before"] + code_said(language, found["code"])


def _spelled(found: Found, language: Language) -> Words:
    return code_said(language, found[0])


def _range(found: Found, language: Language) -> Words:
    first, last = int(found["first"]), int(found["last"])
    return language.span(language.cardinal(first), language.cardinal(last)) if first < last else None


def _number(found: Found, language: Language) -> Words:
    text = found[0]
    if text[0] == "0" and text.isdigit() and len(text) > 1:
        return code_said(language, text)
    if text.isdigit() and len(text) >= 8:  # a long number without commas is somebody's id
        return code_said(language, text)
    number: Number | None = number_of(text)
    return None if number is None else number.said(language)


_ALONE, _END = r"(?<![\w.,/*#+@-])", r"(?![\w/*#@]|[.,-][0-9])"
_AMOUNT = rf"{INTEGER}(?:\.[0-9]+)?"
_MARK = r"KES|Kshs?\.?|TZS|TSh|UGX|USh|Shs?\.?|shilingi|USD|US\$|\$|EUR|€|GBP|£"
_AFTER = r"KES|Kshs?|TZS|UGX|USD|EUR|GBP|shillings?|shilingi|bob"
_MONEY_FIRST = rf"(?<![\w$])(?P<mark>{_MARK})\s?(?P<amount>-?{_AMOUNT})(?:\s(?P<scale>{SCALE})\b)?(?:/[=-])?(?!\w|[.,][0-9])"
_MONEY_LAST = (
    rf"(?<![\w.,/-])(?P<amount2>{_AMOUNT})(?:/[=-]|(?:\s(?P<scale2>{SCALE}))?\s?(?P<mark2>{_AFTER})\b)"
)
_DAY = (
    r"[0-9]{4}-[0-9]{2}-[0-9]{2}|[0-9]{1,2}[/.][0-9]{1,2}[/.](?:[0-9]{4}|[0-9]{2})|[0-9]{1,2}-[0-9]{1,2}-[0-9]{4}"
    rf"|[0-9]{{1,2}}(?:st|nd|rd|th)?(?: of)? (?:{MONTH})\.?(?:,? [0-9]{{4}})?"
    rf"|(?:{MONTH})\.? [0-9]{{1,2}}(?:st|nd|rd|th)?(?:,? [0-9]{{4}})?"
)
_CLOCK = r"[0-9]{1,2}[:.][0-9]{2}(?::[0-9]{2})?\s?[ap]\.?m\b\.?|[0-9]{1,2}:[0-9]{2}(?::[0-9]{2})?|[0-9]{1,2}\s?[ap]\.?m\b\.?"
_CODE_WORDS = (
    r"code|otp|pin|password|reference|ref|account|acc|ticket|receipt|token|till|paybill|id|"
    r"msimbo|kodi|siri|akaunti|risiti|tiketi|kumbukumbu"
)
_BETWEEN = r"(?:\s+(?:number|no\.?|is|ni|yako|wako|lako|namba|nambari)\b|\s*[:#]){0,3}\s+"


def _rule(pattern: str, said: Callable[[Found, Language], Words], *, cased: bool = False) -> Rule:
    return Rule(re.compile(pattern, re.NOFLAG if cased else re.IGNORECASE), said)


_RULES = (
    _rule(r"[a-z][a-z0-9+.-]{0,15}://\S+|\bwww\.\S+|[\w.+-]{1,64}@[\w-]{1,63}\.[\w.-]{1,190}", _untouched),
    _rule(r"(?<![\w*])\*[0-9][0-9*]{0,20}#(?!\w)", _dialled_code),
    _rule(f"{_MONEY_FIRST}|{_MONEY_LAST}", _money),
    _rule(rf"(?P<before>\b(?:tarehe|the) )?{_ALONE}(?P<day>{_DAY})(?![\w/]|[.-][0-9])", _date),
    _rule(rf"(?P<before>\bsaa )?{_ALONE}(?P<time>{_CLOCK})(?![\w:]|\.[0-9])", _time),
    _rule(rf"{_ALONE}(?P<number>-?{_AMOUNT})\s?(?:%|percent\b|per cent\b|asilimia\b)", _percent),
    _rule(
        r"(?<![\w.,/*#+@-])(?:\+[0-9]{1,3}(?:[ -]?[0-9]{2,4}){2,4}|254[0-9]{9}"
        r"|\(?0[0-9]{2,3}\)?(?:[ -]?[0-9]{3}){2}|0[0-9]{2}[ -]?[0-9]{3}[ -]?[0-9]{4})"
        rf"{_END}",
        _telephone,
    ),
    _rule(
        rf"(?P<before>\b(?:{_CODE_WORDS}){_BETWEEN})(?P<code>(?=[A-Z-]*[0-9])[A-Z0-9-]{{3,24}})(?!\w)", _code
    ),
    _rule(rf"{_ALONE}(?P<number>[1-9][0-9]{{0,6}})(?:st|nd|rd|th)\b", _ordinal),
    _rule(r"\b(?P<link>[wylz]a|cha|vya|pa) (?P<number>[12])(?!\w|[.,/:-][0-9])", _swahili_ordinal),
    _rule(
        r"(?<![\w-])(?=[A-Z]*[0-9])(?=[0-9]*[A-Z])(?=(?:\w*[0-9]){2})[A-Z0-9]{5,24}(?![\w-])",
        _spelled,
        cased=True,
    ),
    _rule(rf"{_ALONE}(?P<first>[0-9]{{1,6}})\s?[-–]\s?(?P<last>[0-9]{{1,6}}){_END}", _range),
    _rule(rf"(?<![\w.,/*#+@])-?{_AMOUNT}{_END}", _number),
)
