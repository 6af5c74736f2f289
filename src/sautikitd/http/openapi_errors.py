"""Every error code in the document: which of them an answer may carry, and what each says and where it is explained."""

from collections.abc import Iterable, Iterator, Sequence
from typing import Any

from sautikitd.errors import Refusal, ToldBy
from sautikitd.http.errors import docs_url_of


def codes_of(errors: Sequence[type[Refusal]]) -> list[str]:
    """The codes that a refusal may carry there, and no others. Not an enum of the schema: clients bear with new ones."""
    return sorted({error.code for error in errors})


def table_of_codes(docs_base: str) -> dict[str, Any]:
    """By code: its status, its message with the places that are filled in, its page, and who tells it.

    Not those that only the operator's own commands meet.
    """
    by_code: dict[str, list[type[Refusal]]] = {}
    for kind in refusals():
        if kind.told_by is not ToldBy.OPERATOR:
            by_code.setdefault(kind.code, []).append(kind)
    return {
        code: {
            "status": kinds[0].status,
            "messages": list(dict.fromkeys(kind.message for kind in kinds)),
            "docs_url": docs_url_of(code, docs_base),
            "told_by": kinds[0].told_by.value,
        }
        for code, kinds in sorted(by_code.items())
    }


def refusals(of: type[Refusal] = Refusal) -> Iterator[type[Refusal]]:
    """Every kind that has a code of its own, of all rooms that are loaded, in the order they were defined."""
    if "code" in vars(of):
        yield of
    yield from _below(of.__subclasses__())


def _below(kinds: Iterable[type[Refusal]]) -> Iterator[type[Refusal]]:
    for kind in kinds:
        yield from refusals(kind)
