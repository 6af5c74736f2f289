"""Every code of the product: it has a page, and the document knows it."""

import importlib
import pkgutil
import re

import pytest

import sautikitd
from sautikitd.api_document import SERVER, api_document
from sautikitd.errors import Refusal, ToldBy
from sautikitd.http.openapi_errors import refusals


@pytest.fixture(scope="module")
def every_refusal() -> list[type[Refusal]]:
    for module in pkgutil.walk_packages(sautikitd.__path__, "sautikitd."):
        if not module.name.endswith("__main__") and ".migrations." not in module.name:
            importlib.import_module(module.name)
    found = [kind for kind in refusals() if kind.__module__.startswith("sautikitd.")]
    assert len(found) > 100
    return found


def test_every_code_is_dotted_and_stays_one_status(every_refusal: list[type[Refusal]]) -> None:
    plain = {"internal_error", "service_unavailable", "rate_limited"}  # as the contract names them
    statuses: dict[str, int] = {}
    for kind in every_refusal:
        assert kind.code in plain or re.fullmatch(r"[a-z_]+(\.[a-z_0-9]+)+", kind.code), kind
        assert 400 <= kind.status < 600, kind
        assert statuses.setdefault(kind.code, kind.status) == kind.status, kind
        assert len(kind.message) > 20, kind


def test_every_code_that_customers_meet_is_in_the_document_with_its_page(
    every_refusal: list[type[Refusal]],
) -> None:
    listed = api_document()["x-error-codes"]
    met = {kind.code: kind for kind in every_refusal if kind.told_by is not ToldBy.OPERATOR}
    assert set(listed) == set(met)
    for code, kind in met.items():
        told = listed[code]
        assert told["docs_url"] == f"{SERVER}/developers/errors/{code}"
        assert kind.message in told["messages"]


def test_every_code_an_answer_carries_is_at_the_operations_that_tell_it(
    every_refusal: list[type[Refusal]],
) -> None:
    document = api_document()
    told = {
        code
        for item in document["paths"].values()
        for operation in item.values()
        for status, answer in operation["responses"].items()
        if status >= "4"
        for code in answer["x-error-codes"]
    }
    of_no_operation = {"internal_error", "request.method_not_allowed"}
    answered = {kind.code for kind in every_refusal if kind.told_by is ToldBy.ANSWER}
    assert told == answered - of_no_operation
