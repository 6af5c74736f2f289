"""The document of the last release, `docs/openapi.json`, holds what clients were promised (`make openapi` renews it)."""

import copy
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import msgspec
import pytest
from openapi_spec_validator import OpenAPIV31SpecValidator

from sautikitd.api_document import api_document, described_endpoints
from sautikitd.events.kinds import EventKind
from sautikitd.http.checks import Circumstances
from sautikitd.http.openapi_changes import breaking_changes
from sautikitd.http.openapi_examples import EXAMPLES
from sautikitd.http.validation import read_body

_RELEASED = Path(__file__).parents[2] / "docs" / "openapi.json"
_GIVEN = Circumstances(mode="live")
Document = dict[str, Any]


@pytest.fixture(scope="module")
def now() -> Document:
    document: Document = json.loads(json.dumps(api_document(), default=str))
    return document


def test_nothing_that_was_released_is_broken(now: Document) -> None:
    broken = breaking_changes(json.loads(_RELEASED.read_text()), now)
    assert not broken, "\n".join(
        [*broken, "If it must be so: say it in the release notes, then `make openapi`."]
    )


def test_the_whole_document_is_valid(now: Document) -> None:
    OpenAPIV31SpecValidator(now).validate()


def test_every_documented_endpoint_is_in_it_and_no_other(now: Document) -> None:
    served = {(one.path, one.method.lower()) for one in described_endpoints() if one.documented}
    assert served == {(path, method) for path, item in now["paths"].items() for method in item}
    assert len(served) > 50


def test_every_event_we_send_is_a_webhook(now: Document) -> None:
    assert set(now["webhooks"]) == {kind.value for kind in EventKind} | {"voice.callback"}


def test_every_operation_and_parameter_says_what_it_is(now: Document) -> None:
    for path, item in now["paths"].items():
        for method, operation in item.items():
            assert operation["summary"], (method, path)
            assert operation["tags"], (method, path)
            for parameter in operation["parameters"]:
                assert parameter["description"], (method, path, parameter["name"])


def _remove_path(document: Document) -> None:
    del document["paths"]["/v1/me"]


def _remove_field(document: Document) -> None:
    del document["components"]["schemas"]["Call"]["properties"]["session_id"]


def _remove_value(document: Document) -> None:
    document["components"]["schemas"]["EventKindForTest"]["enum"].remove("b")


def _require_field(document: Document) -> None:
    document["components"]["schemas"]["PlaceCall"]["required"].append("metadata")


def _require_parameter(document: Document) -> None:
    document["paths"]["/v1/calls"]["get"]["parameters"][0]["required"] = True


def _remove_answer(document: Document) -> None:
    del document["paths"]["/v1/calls"]["post"]["responses"]["201"]


def _change_type(document: Document) -> None:
    document["components"]["schemas"]["PlaceCall"]["properties"]["timeout_seconds"]["type"] = "string"


@pytest.mark.parametrize(
    ("change", "says"),
    [
        (_remove_path, "GET /v1/me: removed"),
        (_remove_field, "Call.session_id: removed"),
        (_remove_value, "EventKindForTest: value 'b' removed"),
        (_require_field, "PlaceCall.metadata: required now"),
        (_require_parameter, "is required now"),
        (_remove_answer, "POST /v1/calls: answer 201 removed"),
        (_change_type, "PlaceCall.timeout_seconds: is string, was integer"),
    ],
)
def test_a_break_is_found(now: Document, change: Callable[[Document], None], says: str) -> None:
    old = copy.deepcopy(now)
    old["components"]["schemas"]["EventKindForTest"] = {"enum": ["a", "b"]}
    new = copy.deepcopy(old)
    change(new)
    assert any(says in one for one in breaking_changes(old, new)), breaking_changes(old, new)


def test_what_is_added_breaks_nothing(now: Document) -> None:
    new = copy.deepcopy(now)
    new["paths"]["/v1/new"] = new["paths"]["/v1/me"]
    new["components"]["schemas"]["PlaceCall"]["properties"]["newer"] = {"type": "string"}
    assert breaking_changes(now, new) == []


def test_every_field_says_what_it_is(now: Document) -> None:
    silent = [
        f"{name}.{field}"
        for name, component in now["components"]["schemas"].items()
        for field, schema in component.get("properties", {}).items()
        if "description" not in schema
    ]
    assert not silent


def test_every_request_is_shown_by_examples_that_are_read(now: Document) -> None:
    kinds = {one.body for one in described_endpoints() if one.documented and one.body}
    assert {kind.__name__ for kind in kinds} == set(EXAMPLES)
    for kind in kinds:
        for body in EXAMPLES[kind.__name__].values():
            assert read_body(kind, json.dumps(body).encode(), _GIVEN).faults == []


# They need one of their fields, whichever: an empty body says nothing.
_SAY_SOMETHING = {
    ("PATCH", "/v1/calls/{call_id}"),
    ("POST", "/v1/numbers/claim"),
    ("PATCH", "/v1/numbers/{number_id}/routing"),
    ("PUT", "/v1/numbers/{number_id}/routing"),
    ("PATCH", "/v1/wallet/limits"),
    ("PATCH", "/v1/webhooks/{webhook_id}"),
    ("POST", "/v1/test/clock"),
    ("POST", "/v1/voice/validate"),
}


def test_whatever_works_with_an_empty_object_works_without_a_body() -> None:
    strict = {
        (one.method, one.path)
        for one in described_endpoints()
        if one.body is not None
        and issubclass(one.body, msgspec.Struct)
        and not one.body_optional
        and not any(field.required for field in msgspec.structs.fields(one.body))
    }
    assert strict <= _SAY_SOMETHING
