"""docs/api.md says what the code does."""

import json
import re
from collections import defaultdict
from pathlib import Path

from sautikitd.identity.principal import SCOPE_ALIASES, Scope

DOCS = Path(__file__).parents[2] / "docs"
PAGE = (DOCS / "api.md").read_text()
DOCUMENT = json.loads((DOCS / "openapi.json").read_text())


def test_every_endpoint_stands_at_its_scope() -> None:
    wanted = defaultdict(list)
    for path, operations in DOCUMENT["paths"].items():
        for method, operation in operations.items():
            if "summary" in operation:
                open_to = operation.get("x-scope") or ("any key" if operation["security"] else "no key")
                wanted[open_to].append(f"{method.upper()} {path}")
    rows = re.findall(r"^\| (.*?) \| (`[A-Z]+ /.*) \|$", PAGE, re.MULTILINE)
    listed = {name.strip("`"): re.findall(r"`(.*?)`", endpoints) for name, endpoints in rows}
    assert listed == wanted
    assert listed.keys() == {*Scope, "any key", "no key"}
    assert {f"`{alias}`" in PAGE for alias in SCOPE_ALIASES} == {True}


def test_every_status_is_explained() -> None:
    rows = re.findall(r"^\| ([0-9, ]+) \|", PAGE, re.MULTILINE)
    explained = {status for row in rows for status in row.split(", ")}
    refused = {
        status
        for operations in DOCUMENT["paths"].values()
        for operation in operations.values()
        if "responses" in operation
        for status in operation["responses"]
        if status >= "400"
    }
    assert refused - explained == set()
