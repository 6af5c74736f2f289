"""What the platform says to one leg alone, heard by a third: a supervisor hears the prompts that the caller hears."""

import numpy as np

from sautikitd.voice.media.rows import Rows


class Overhearing:
    """Pairs of rows. `note` what the room made of a tick, then `pass_on` what was said on top of it."""

    def __init__(self, rows: Rows) -> None:
        self._rows = rows
        self._subjects: dict[int, list[int]] = {}  # by the row that overhears
        self._listeners = np.zeros(0, np.int64)
        self._subject_of = np.zeros(0, np.int64)
        self._mixed = np.zeros((0, 0), np.int16)

    def listen(self, row: int, subjects: list[int]) -> None:
        """From now on `row` overhears these, and nobody else; an empty list ends it."""
        self._subjects.pop(row, None)
        if subjects:
            self._subjects[row] = subjects
        self._arrange()

    def forget(self, row: int) -> None:
        """The row is given back: it neither overhears nor is overheard."""
        if not self._subjects:
            return
        self._subjects.pop(row, None)
        self._subjects = {
            listener: [subject for subject in subjects if subject != row]
            for listener, subjects in self._subjects.items()
        }
        self._arrange()

    def _arrange(self) -> None:
        pairs = [(listener, subject) for listener, many in self._subjects.items() for subject in many]
        self._listeners = np.array([listener for listener, _ in pairs], np.int64)
        self._subject_of = np.array([subject for _, subject in pairs], np.int64)

    def note(self) -> None:
        """After the mix, before anything else is said."""
        if self._listeners.size:
            self._mixed = self._rows.said[self._subject_of].copy()

    def pass_on(self) -> None:
        """After everything was said."""
        if not self._listeners.size:
            return
        said = self._rows.said
        on_top = said[self._subject_of].astype(np.int32) - self._mixed
        for listener, extra in zip(self._listeners, on_top, strict=True):  # a handful at most
            said[listener] = np.clip(said[listener] + extra, -32768, 32767)
