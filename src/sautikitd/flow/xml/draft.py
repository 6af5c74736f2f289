"""A verb as an element says it, before its own class has read it."""

from collections.abc import Iterator

import msgspec

from sautikitd.flow.xml.element import Value
from sautikitd.flow.xml.places import Places
from sautikitd.flow.xml.tree import Place

FieldValue = Value | list[str] | dict[str, str]


class Draft(msgspec.Struct):
    """`fields` by their JSON names; `where` says which of them stood somewhere of their own in the document."""

    verb: str
    place: Place
    fields: dict[str, FieldValue]
    where: dict[str, Place]
    nested: list["Draft"] | None = None

    def put(self, field: str, value: FieldValue, place: Place) -> None:
        self.fields[field] = value
        self.where[field] = place

    def action(self) -> dict[str, object]:
        """The action as JSON has it."""
        fields: dict[str, object] = dict(self.fields)
        if self.nested is not None:
            fields["nested"] = [draft.action() for draft in self.nested]
        return {self.verb: fields}

    def remember(self, pointer: str, places: Places) -> None:
        """Tells `places` where everything under `pointer`, the place of this action, came from."""
        for at, place in self._spots(pointer):
            places.remember(at, place)

    def _spots(self, pointer: str) -> Iterator[tuple[str, Place]]:
        yield pointer, self.place
        for field, place in self.where.items():
            yield f"{pointer}/{self.verb}/{field}", place
        for index, draft in enumerate(self.nested or ()):
            yield from draft._spots(f"{pointer}/{self.verb}/nested/{index}")
