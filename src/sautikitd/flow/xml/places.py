"""Says of a problem found in the verbs where in the XML it stands."""

import re
from collections.abc import Iterable
from typing import TypeVar

import msgspec

from sautikitd.flow.document import FlowProblem, FlowWarning
from sautikitd.flow.xml.tree import Place

_Remark = TypeVar("_Remark", FlowProblem, FlowWarning)


_LINE = re.compile(r"\(line (\d+)\)$")


class Places:
    """Remembers, for JSON pointers into the verbs, the place in the document that each came from."""

    def __init__(self) -> None:
        self._places: dict[str, Place] = {}

    def remember(self, pointer: str, place: Place) -> None:
        self._places[pointer] = place

    def problem(self, problem: FlowProblem) -> FlowProblem:
        return _moved(problem, self._of(problem.pointer))

    def warning(self, warning: FlowWarning) -> FlowWarning:
        return _moved(warning, self._of(warning.pointer))

    def _of(self, pointer: str) -> Place | None:
        """The place of the pointer, or of the nearest thing around it."""
        while pointer:
            if pointer in self._places:
                return self._places[pointer]
            pointer = pointer.rpartition("/")[0]
        return None


def document_order(remarks: Iterable[_Remark]) -> list[_Remark]:
    """Sorted by the line that `lined` has written; those of one line stay in the order they were found."""
    return sorted(remarks, key=_line_of)


def lined(reason: str, place: Place) -> str:
    return f"{reason} (line {place.line})"


def _moved(remark: _Remark, place: Place | None) -> _Remark:
    if place is None:
        return remark
    return msgspec.structs.replace(remark, pointer=place.path, reason=lined(remark.reason, place))


def _line_of(remark: _Remark) -> int:
    found = _LINE.search(remark.reason)
    return int(found.group(1)) if found is not None else 0
