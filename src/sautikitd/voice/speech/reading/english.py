"""English as it is read out in Kenya: British numbers (`one hundred and five`), the day before the month."""

from datetime import date, time

from sautikitd.voice.speech.reading.language import LARGEST, spelled

_ONES = (
    *("zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten", "eleven"),
    *("twelve", "thirteen", "fourteen", "fifteen", "sixteen", "seventeen", "eighteen", "nineteen"),
)
_TENS = ("", "", "twenty", "thirty", "forty", "fifty", "sixty", "seventy", "eighty", "ninety")
_SCALES = ((10**9, "billion"), (10**6, "million"), (1000, "thousand"))
_IRREGULAR = {
    "one": "first",
    "two": "second",
    "three": "third",
    "five": "fifth",
    "eight": "eighth",
    "nine": "ninth",
    "twelve": "twelfth",
}
_MONTHS = (
    *("January", "February", "March", "April", "May", "June", "July", "August", "September", "October"),
    *("November", "December"),
)
_UNITS = {
    "KES": ("shilling", "shillings"),
    "TZS": ("Tanzanian shilling", "Tanzanian shillings"),
    "UGX": ("Ugandan shilling", "Ugandan shillings"),
    "USD": ("dollar", "dollars"),
    "EUR": ("euro", "euros"),
    "GBP": ("pound", "pounds"),
}
_SMALL = {"GBP": ("penny", "pence")}
_SIGNS = {
    "+": "plus",
    "*": "star",
    "#": "hash",
    "-": "dash",
    "/": "slash",
    ".": "dot",
    "@": "at",
    "_": "underscore",
}


class English:
    def cardinal(self, number: int) -> str:
        if number < 0:
            return f"minus {self.cardinal(-number)}"
        if number >= LARGEST:
            return spelled(self, str(number), (3,))
        parts, rest = [], number
        for scale, name in _SCALES:
            if rest >= scale:
                parts.append(f"{_below_thousand(rest // scale)} {name}")
                rest %= scale
        if parts and 0 < rest < 100:
            return f"{' '.join(parts)} and {_below_thousand(rest)}"
        if rest or not parts:
            parts.append(_below_thousand(rest))
        return " ".join(parts)

    def ordinal(self, number: int) -> str:
        words = self.cardinal(number)
        start = max(words.rfind(" "), words.rfind("-")) + 1
        last = words[start:]
        if last in _IRREGULAR:
            return words[:start] + _IRREGULAR[last]
        return words[:start] + (f"{last[:-1]}ieth" if last.endswith("y") else f"{last}th")

    def decimal(self, whole: int, fraction: str) -> str:
        return f"{self.cardinal(whole)} point {spelled(self, fraction)}"

    def percent(self, number: str) -> str:
        return f"{number} percent"

    def money(self, currency: str, units: str, cents: int) -> str:
        one, many = _UNITS[currency]
        small = _SMALL.get(currency, ("cent", "cents"))
        parts = [] if units == "zero" and cents else [f"{units} {one if units == 'one' else many}"]
        if cents:
            parts.append(f"{self.cardinal(cents)} {small[0] if cents == 1 else small[1]}")
        return " and ".join(parts)

    def date(self, day: date, *, with_year: bool) -> str:
        said = f"the {self.ordinal(day.day)} of {_MONTHS[day.month - 1]}"
        return f"{said}, {self._year(day.year)}" if with_year else said

    def time(self, at: time, *, half_known: bool) -> str:
        if half_known and at.minute == 0 and at.hour in (0, 12):
            return "midnight" if at.hour == 0 else "twelve noon"
        hour = self.cardinal(at.hour % 12 or 12)
        minute = f" {'oh ' if at.minute < 10 else ''}{self.cardinal(at.minute)}" if at.minute else ""
        if not half_known:
            return f"{hour}{minute or ' o’clock'}"
        return f"{hour}{minute} {'a m' if at.hour < 12 else 'p m'}"

    def span(self, first: str, last: str) -> str:
        return f"{first} to {last}"

    def character(self, character: str) -> str:
        if character in _SIGNS:
            return _SIGNS[character]
        return _ONES[int(character)] if character in "0123456789" else character.upper()

    def _year(self, year: int) -> str:
        century, rest = divmod(year, 100)
        if year < 1100 or year >= 10_000 or 2000 <= year < 2010 or (rest == 0 and century % 10 == 0):
            return self.cardinal(year)
        if rest == 0:
            return f"{self.cardinal(century)} hundred"
        return f"{self.cardinal(century)} {'oh ' if rest < 10 else ''}{self.cardinal(rest)}"


def _below_thousand(number: int) -> str:
    hundreds, rest = divmod(number, 100)
    small = _ONES[rest] if rest < 20 else _TENS[rest // 10] + (f"-{_ONES[rest % 10]}" if rest % 10 else "")
    if not hundreds:
        return small
    return f"{_ONES[hundreds]} hundred" + (f" and {small}" if rest else "")
