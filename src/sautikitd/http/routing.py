"""From a path to the resource there. `{name}` in a path takes one segment, whatever it holds."""

from collections.abc import Mapping
from typing import Generic, TypeVar

R = TypeVar("R")


class _Node(Generic[R]):
    __slots__ = ("any", "name", "named", "resource")

    def __init__(self) -> None:
        self.named: dict[str, _Node[R]] = {}
        self.any: _Node[R] | None = None
        self.resource: R | None = None
        self.name: tuple[str, ...] = ()  # of the segments that were taken by `{…}`, of the resource here


class Router(Generic[R]):
    """A tree of segments. A segment that is named goes before one that takes anything."""

    def __init__(self) -> None:
        self._root: _Node[R] = _Node()
        self._plain: dict[str, R] = {}  # paths without `{…}`: one look

    def add(self, path: str, resource: R) -> None:
        """Raises ValueError for a path that is there already."""
        node, names = self._root, []
        for segment in _segments(path):
            if segment.startswith("{"):
                names.append(segment[1:-1])
                node.any = node.any or _Node()
                node = node.any
            else:
                node = node.named.setdefault(segment, _Node())
        if node.resource is not None:
            raise ValueError(f"{path} is there already")
        node.resource, node.name = resource, tuple(names)
        if not names:
            self._plain[path] = resource

    def find(self, path: str) -> tuple[R, Mapping[str, str]] | None:
        """The resource, and what its `{…}` took. One slash at the end does not matter."""
        plain = self._plain.get(path)
        if plain is not None:
            return plain, {}
        taken: list[str] = []
        found = _descend(self._root, _segments(path), 0, taken)
        if found is None or found.resource is None:
            return None
        return found.resource, dict(zip(found.name, taken, strict=True))


def _descend(node: _Node[R], segments: list[str], at: int, taken: list[str]) -> _Node[R] | None:
    if at == len(segments):
        return node if node.resource is not None else None
    below = node.named.get(segments[at])
    if below is not None and (found := _descend(below, segments, at + 1, taken)) is not None:
        return found
    if node.any is None or not segments[at]:
        return None
    taken.append(segments[at])
    found = _descend(node.any, segments, at + 1, taken)
    if found is None:
        taken.pop()
    return found


def _segments(path: str) -> list[str]:
    return path.removeprefix("/").removesuffix("/").split("/")
