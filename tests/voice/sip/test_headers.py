"""Our headers are those of `sipmessage`, found faster: whatever is done to both, they say the same."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from sipmessage.message import Headers

from sautikitd.voice.sip.headers import IndexedHeaders

NAMES = st.sampled_from(["Via", "VIA", "v", "Contact", "contact", "X-Odd"])
ACTS = st.tuples(st.sampled_from(["add", "set", "setlist", "remove"]), NAMES, st.text("ab,; ", max_size=3))


def act(headers: Headers, kind: str, name: str, value: str) -> None:
    if kind == "remove":
        headers.remove(name)
    elif kind == "setlist":
        headers.setlist(name, [value, "last"])
    else:
        getattr(headers, kind)(name, value)


@given(st.lists(ACTS, max_size=12), NAMES)
def test_they_do_what_the_ones_of_sipmessage_do(acts: list[tuple[str, str, str]], asked: str) -> None:
    ours, theirs = IndexedHeaders(), Headers()
    for each in acts:
        act(ours, *each)
        act(theirs, *each)
    assert str(ours) == str(theirs)
    assert ours.keys() == theirs.keys()
    assert ours.get(asked, "none") == theirs.get(asked, "none")
    assert ours.getlist(asked) == theirs.getlist(asked)


def test_one_that_is_not_there_cannot_be_asked_for() -> None:
    with pytest.raises(KeyError):
        IndexedHeaders()["Via"]
