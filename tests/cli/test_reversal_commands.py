"""Staff and money that belongs to nobody, by command line, where no M-PESA answers."""

from collections.abc import Callable
from typing import Any
from uuid import uuid4

from sautikitd.cli.exits import Exit

Command = Callable[..., Any]


def test_a_case_that_nobody_has_is_not_reversed(sautikitd: Command) -> None:
    answer = sautikitd("suspense", "reverse", str(uuid4()), "--reason", "Not ours", "--json")
    assert (answer.status, answer.data["error"]["code"]) == (Exit.REFUSED, "suspense.not_found")


def test_asking_for_a_receipt_without_an_initiator_says_what_to_set(sautikitd: Command) -> None:
    answer = sautikitd("topups", "status", "NLJ7RT61SV", "--json")
    assert (answer.status, answer.data["error"]["code"]) == (Exit.REFUSED, "daraja.refused")
    assert "SAUTIKIT_DARAJA_INITIATOR" in answer.data["error"]["message"]
