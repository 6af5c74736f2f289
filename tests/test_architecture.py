"""The arrows of the architecture: which room may import from which (design: HTTP → services → repositories)."""

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

SOURCE = Path(__file__).parent.parent / "src" / "sautikitd"

# What a room's modules never import, by prefix. The engine speaks in calls, legs, audio and events; money in accounts,
# holds and entries; a flow in legs and prompts.
FORBIDDEN = {
    "voice": (
        "http",
        "wallet",
        "database",
        "identity",
        "numbers",
        "webhooks",
        "node",
        "calls",
        "asyncpg",
    ),
    "flow": ("database", "wallet", "voice", "node", "calls", "numbers", "asyncpg"),
    "wallet": ("calls", "numbers", "voice", "node", "flow", "webhooks", "payments"),
    "events": ("calls", "numbers", "voice", "node", "flow", "http"),
    "egress": ("calls", "numbers", "voice", "node", "flow", "http", "database", "wallet"),
    "supervision": ("voice", "node", "flow"),
    "numbering": ("calls", "numbers", "voice", "node", "http", "database", "wallet"),
}
# Vocabulary that every room may share: enumerations without behaviour.
SHARED = {"calls.outcomes"}
# HTTP belongs to routes; these modules declare endpoints or what they take and give.
HTTP_MODULES = {"routes", "requests", "views", "errors", "pages"}


def _imports(file: Path) -> Iterator[str]:
    """Names of our own modules (`calls.queue`) and of libraries that a file imports."""
    for node in ast.walk(ast.parse(file.read_text())):
        names = []
        if isinstance(node, ast.ImportFrom) and node.module:
            names = [node.module]
        elif isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
        for name in names:
            yield name.removeprefix("sautikitd.")


def _modules() -> list[Path]:
    return sorted(SOURCE.rglob("*.py"))


def _room(file: Path) -> str:
    return file.relative_to(SOURCE).parts[0]


@pytest.mark.parametrize("room", FORBIDDEN)
def test_a_room_imports_nothing_it_must_not_know(room: str) -> None:
    found = [
        f"{file.relative_to(SOURCE)}: {name}"
        for file in _modules()
        if _room(file) == room and file.stem not in HTTP_MODULES
        for name in _imports(file)
        if name not in SHARED and name.split(".")[0] in FORBIDDEN[room]
    ]
    assert found == []


def test_nobody_imports_another_rooms_repository() -> None:
    found = [
        f"{file.relative_to(SOURCE)}: {name}"
        for file in _modules()
        for name in _imports(file)
        if name.endswith("repository") and "." in name and name.split(".")[0] != _room(file)
    ]
    assert found == []


def test_no_module_is_a_drawer_for_anything() -> None:
    drawers = {"utils", "helpers", "common", "manager", "base", "misc"}
    assert [str(file) for file in _modules() if file.stem in drawers or file.parent.name in drawers] == []


def test_files_stay_small() -> None:
    sizes = sorted(len(file.read_text().splitlines()) for file in _modules() if file.name != "__init__.py")
    assert sizes[len(sizes) // 2] < 130
    assert sizes[len(sizes) * 9 // 10] <= 350
    assert sizes[-1] <= 600
