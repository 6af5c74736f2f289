"""Every success and every event in the document has an example, and it is one."""

from collections.abc import Iterator
from typing import Any

import jsonschema_rs
import pytest

from sautikitd.api_document import api_document

DOCUMENT = api_document()


def _shown() -> Iterator[tuple[str, dict[str, Any]]]:
    for path, item in DOCUMENT["paths"].items():
        for method, operation in item.items():
            for parameter in operation["parameters"]:
                yield f"{method} {path} {parameter['name']}", parameter
            for status, answer in operation["responses"].items():
                if status < "3" and "application/json" in answer.get("content", {}):
                    yield f"{method} {path} {status}", answer["content"]["application/json"]
    for kind, event in DOCUMENT["webhooks"].items():
        for content in event["post"]["requestBody"]["content"].values():
            yield kind, content


@pytest.mark.parametrize(("where", "described"), list(_shown()), ids=[where for where, _ in _shown()])
def test_an_example_is_of_its_schema(where: str, described: dict[str, Any]) -> None:
    if "name" not in described and where != "voice.callback":
        assert "example" in described
    if "example" in described:
        schema = {**described["schema"], "components": DOCUMENT["components"]}
        jsonschema_rs.validate(schema, described["example"])
