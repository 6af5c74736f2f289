"""The reader by itself: what is read beside what cannot be, and which rules are asked of it."""

import json
import time
from collections.abc import Iterator
from datetime import datetime
from typing import Annotated, Any, Literal

import msgspec
import pytest

from sautikitd.errors import Refusal
from sautikitd.http.checks import Circumstances, Fault, Partly, present, refusal_of, rule
from sautikitd.http.validation import Reading, read_body, read_query

GIVEN = Circumstances()


def _check_word(word: str) -> str | None:
    return "no word" if " " in word else None


Word = Annotated[str, msgspec.Meta(max_length=8, extra={"check": _check_word})]


class Bell(msgspec.Struct, forbid_unknown_fields=True, tag_field="type", tag="bell"):
    tone: Word
    loud: int = 1


class Horn(msgspec.Struct, forbid_unknown_fields=True, tag_field="type", tag="horn"):
    tone: Word


class Wish(msgspec.Struct, kw_only=True, forbid_unknown_fields=True):
    words: Word | Annotated[list[Word], msgspec.Meta(min_length=1, max_length=2)] = "a"
    sound: Bell | Horn | None = None
    first: int = 1
    last: int = 9
    how: Literal["up", "down"] | None = None

    @property
    def span(self) -> int:
        return self.last - self.first

    @rule
    def goes_forward(self, _: Circumstances) -> Iterator[Fault]:
        if self.span < 0:
            yield Fault("/last", "before first")

    @rule
    def says_how_or_sounds(self, _: Circumstances) -> Iterator[Fault]:
        if len(present(self, ("how", "sound"))) == 2:
            yield Fault("/how", "not beside sound")


def _read(body: dict[str, Any]) -> Reading[Wish]:
    return read_body(Wish, json.dumps(body).encode(), GIVEN)


def _places(body: dict[str, Any]) -> dict[str, str]:
    return {fault.place: fault.problem for fault in _read(body).faults}


def test_what_is_right_is_read_at_once() -> None:
    read = _read({"words": ["a", "b"], "sound": {"type": "horn", "tone": "c"}, "first": 2})
    assert read.faults == []
    assert read.value == Wish(words=["a", "b"], sound=Horn("c"), first=2)


def test_a_whole_number_with_a_point_is_one_beside_whatever_else() -> None:
    assert _read({"first": 3.0}).value == Wish(first=3)
    assert _places({"first": 3.0, "last": 1, "how": "x"}).keys() == {"/how", "/last"}


@pytest.mark.parametrize(
    ("words", "places"),
    [
        ("a b", {"/words"}),
        (["a b", 5, "c"], {"/words/0", "/words/1", "/words"}),
        (["a", "b", "c d"], {"/words"}),
        ([], {"/words"}),
        (["much too long", "a b"], {"/words/0", "/words/1"}),
    ],
)
def test_each_item_of_a_list_is_judged_and_how_many_there_are(words: Any, places: set[str]) -> None:
    assert _places({"words": words, "frist": 1}).keys() == places | {"/frist"}


def test_of_several_kinds_of_object_the_tag_says_which_is_meant() -> None:
    assert _places({"sound": {"type": "bell", "tone": 1, "loud": "x", "lod": 1}}).keys() == {
        *("/sound/tone", "/sound/loud", "/sound/lod"),
    }


@pytest.mark.parametrize(
    ("sound", "problem"),
    [({"tone": "a"}, "required, but missing"), ({"type": "drum", "tone": "a"}, "must be one of bell, horn")],
)
def test_a_tag_that_names_no_kind_of_object_is_told_at_its_own_place(
    sound: dict[str, str], problem: str
) -> None:
    assert _read({"sound": sound}).faults == [Fault("/sound/type", problem)]


def test_a_rule_that_looks_at_what_could_not_be_read_is_passed_over() -> None:
    assert _places({"first": "x", "last": -5}).keys() == {"/first"}
    assert _places({"first": 5, "last": 1, "how": "x"}).keys() == {"/last", "/how"}


def test_what_was_given_counts_as_given_even_if_it_cannot_be_read() -> None:
    assert _places({"how": "up", "sound": 5})["/how"] == "not beside sound"


def test_a_part_of_a_struct_is_like_it_but_for_what_is_missing() -> None:
    value: Any = _read({"first": 5, "how": "x"}).value
    assert isinstance(value, Partly)
    assert (value.first, value.span) == (5, 4)


def test_a_place_has_one_entry_however_much_is_wrong_there() -> None:
    class Special(Refusal):
        code, status, message = "special", 403, "special"

    class Urgent(Special):
        told_first = True

    plain, special, urgent = Fault("/a", "one"), Fault("/a", "two", Special), Fault("/b", "three", Urgent)
    both = refusal_of([plain, special])
    assert (both.code, [(one.pointer, one.problem) for one in both.fields]) == (
        "request.invalid",
        [("/a", "one; two")],
    )
    assert isinstance(refusal_of([special, special]), Special)
    assert isinstance(refusal_of([plain, special, urgent]), Urgent)


def test_a_query_tells_what_is_unstorable_doubled_unknown_and_out_of_range_together() -> None:
    class Query(msgspec.Struct, kw_only=True, forbid_unknown_fields=True):
        limit: Annotated[int, msgspec.Meta(le=100)] = 25
        since: Annotated[datetime, msgspec.Meta(tz=True)] | None = None
        name: str | None = None

    pairs = [("limit", "200"), ("since", "-1"), ("name", "a"), ("name", "b"), ("x\0", "1"), ("lim", "1")]
    faults = read_query(Query, pairs, GIVEN).faults
    assert {fault.place for fault in faults} == {"?x\0", "?limit", "?since", "?name", "?lim"}


def test_a_body_made_to_take_long_does_not() -> None:
    """The most that a body may hold, all of it wrong."""
    started = time.process_time()
    assert len(_places({f"words{number}": 1 for number in range(20_000)})) == 20_000
    assert len(_places({"words": ["a b"] * 40_000})) == 3
    assert len(_places({"word" * 50_000: 1})) == 1
    assert time.process_time() - started < 5
