"""Keeps digits that a caller typed in confidence out of everything that is written down (contract §12)."""

import re

import msgspec

from sautikitd.flow.callbacks.question import masked
from sautikitd.flow.journal import FlowEntry, Journal

MIN_HIDDEN = 3
"""Shorter numbers are masked where they were asked for, but not looked for elsewhere: a `1` is everywhere."""


class Discretion:
    """Knows the sensitive digits of one flow, and masks them wherever they stand as a number of their own."""

    def __init__(self) -> None:
        self._hidden: dict[str, re.Pattern[str]] = {}

    def hide(self, digits: str) -> None:
        if len(digits) >= MIN_HIDDEN:
            self._hidden[digits] = re.compile(rf"(?<![0-9*#]){re.escape(digits)}(?![0-9*#])")

    @property
    def hides_anything(self) -> bool:
        return bool(self._hidden)

    def scrub(self, text: str) -> str:
        for digits, pattern in self._hidden.items():
            text = pattern.sub(masked(digits), text)
        return text


class DiscreetJournal:
    """A journal that masks before it passes on."""

    def __init__(self, journal: Journal, discretion: Discretion) -> None:
        self._journal = journal
        self._discretion = discretion

    def write(self, entry: FlowEntry) -> None:
        if not self._discretion.hides_anything:
            self._journal.write(entry)
            return
        scrub = self._discretion.scrub
        self._journal.write(
            msgspec.structs.replace(
                entry,
                text=scrub(entry.text),
                url=scrub(entry.url),
                facts={name: scrub(value) for name, value in entry.facts.items()},
            )
        )
