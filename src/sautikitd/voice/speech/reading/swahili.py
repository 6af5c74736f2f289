"""Kiswahili as it is read out in Kenya.

Numbers go from the large to the small, each unit before its count: `elfu mbili, mia tatu arobaini na tano`.
`Elfu ishirini na moja` is 21,000; 20,001 takes a pause, `elfu ishirini, na moja`. Hundred thousands are
`laki`. The clock counts from dawn and from dusk: seven in the morning is `saa moja asubuhi`.
"""

from datetime import date, time

from sautikitd.voice.speech.reading.language import LARGEST, spelled

_ONES = ("sifuri", "moja", "mbili", "tatu", "nne", "tano", "sita", "saba", "nane", "tisa")
_TENS = (
    *("", "kumi", "ishirini", "thelathini", "arobaini", "hamsini", "sitini", "sabini", "themanini", "tisini"),
)
_SCALES = ((10**9, "bilioni"), (10**6, "milioni"), (100_000, "laki"), (1000, "elfu"))
_MONTHS = (
    *("Januari", "Februari", "Machi", "Aprili", "Mei", "Juni", "Julai", "Agosti", "Septemba", "Oktoba"),
    *("Novemba", "Desemba"),
)
_UNITS = {
    "KES": "shilingi",
    "TZS": "shilingi za Tanzania",
    "UGX": "shilingi za Uganda",
    "USD": "dola",
    "EUR": "yuro",
    "GBP": "pauni",
}
_SIGNS = {
    "+": "jumlisha",
    "*": "nyota",
    "#": "reli",
    "-": "kistari",
    "/": "mkwaju",
    ".": "nukta",
    "@": "at",
    "_": "mstari chini",
}
_QUARTERS = {0: "kamili", 15: "na robo", 30: "na nusu"}


class Swahili:
    def cardinal(self, number: int) -> str:
        if number < 0:
            return f"hasi {self.cardinal(-number)}"
        if number >= LARGEST:
            return spelled(self, str(number), (3,))
        parts, rest = [], number
        for scale, name in _SCALES:
            if rest >= scale:
                parts.append(f"{name} {_below_thousand(rest // scale)}")
                rest %= scale
        if rest or not parts:
            link = "na " if parts and _is_simple(rest) else ""
            parts.append(link + _below_thousand(rest))
        return ", ".join(parts)

    def ordinal(self, number: int) -> str:
        return f"ya {self.ordinal_stem(number)}"

    def ordinal_stem(self, number: int) -> str:
        """What stands after the connective: only the first two have words of their own."""
        return {1: "kwanza", 2: "pili"}.get(number) or self.cardinal(number)

    def decimal(self, whole: int, fraction: str) -> str:
        return f"{self.cardinal(whole)} nukta {spelled(self, fraction)}"

    def percent(self, number: str) -> str:
        return f"asilimia {number}"

    def money(self, currency: str, units: str, cents: int) -> str:
        if units == "sifuri" and cents:
            return f"senti {self.cardinal(cents)}"
        said = f"{_UNITS[currency]} {units}"
        return f"{said} na senti {self.cardinal(cents)}" if cents else said

    def date(self, day: date, *, with_year: bool) -> str:
        number = {1: "mosi", 2: "pili"}.get(day.day) or self.cardinal(day.day)
        said = f"tarehe {number} {_MONTHS[day.month - 1]}"
        year = self.cardinal(day.year).replace(",", "")
        return f"{said}, mwaka wa {year}" if with_year else said

    def time(self, at: time, *, half_known: bool) -> str:
        hour, minute = (at.hour - 6) % 12 or 12, at.minute
        if minute == 45:
            said = f"saa {self.cardinal(hour % 12 + 1)} kasorobo"
        else:
            said = (
                f"saa {self.cardinal(hour)} {_QUARTERS.get(minute) or f'na dakika {self.cardinal(minute)}'}"
            )
        return f"{said} {_part_of_day(at.hour)}" if half_known else said

    def span(self, first: str, last: str) -> str:
        return f"{first} hadi {last}"

    def character(self, character: str) -> str:
        if character in _SIGNS:
            return _SIGNS[character]
        return _ONES[int(character)] if character in "0123456789" else character.upper()


def _below_thousand(number: int) -> str:
    hundreds, rest = divmod(number, 100)
    small = _below_hundred(rest)
    if not hundreds:
        return small
    head = f"mia {_ONES[hundreds]}"
    if not rest:
        return head
    return f"{head} na {small}" if _is_simple(rest) else f"{head} {small}"


def _below_hundred(number: int) -> str:
    tens, ones = divmod(number, 10)
    if not tens:
        return _ONES[ones]
    return f"{_TENS[tens]} na {_ONES[ones]}" if ones else _TENS[tens]


def _is_simple(number: int) -> bool:
    """Whether it is said without a `na` of its own, and so takes one before it."""
    return 0 < number < 10 or (number < 100 and number % 10 == 0)


def _part_of_day(hour: int) -> str:
    if 4 <= hour < 6:
        return "alfajiri"
    if 6 <= hour < 12:
        return "asubuhi"
    if 12 <= hour < 16:
        return "mchana"
    return "jioni" if 16 <= hour < 19 else "usiku"
