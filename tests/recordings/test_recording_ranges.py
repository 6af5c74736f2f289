from datetime import UTC, datetime

import pytest

from sautikitd.recordings.errors import RangeNotSatisfiable
from sautikitd.recordings.ranges import Slice, not_modified, wanted
from sautikitd.recordings.store import StoredObject

STORED = StoredObject(1000, '"abc"', datetime(2026, 11, 23, 9, 0, 0, 500_000, tzinfo=UTC))
DATE = "Mon, 23 Nov 2026 09:00:00 GMT"


@pytest.mark.parametrize(
    ("asked", "part"),
    [
        ("bytes=0-0", Slice(0, 1)),
        ("bytes=10-19", Slice(10, 20)),
        ("bytes=990-5000", Slice(990, 1000)),
        ("bytes=990-", Slice(990, 1000)),
        ("bytes=-10", Slice(990, 1000)),
        ("bytes=-5000", Slice(0, 1000)),
        ("Bytes=0-", Slice(0, 1000)),
        ("bytes=20-10", None),
        ("bytes=0-1,5-6", None),
        ("bytes=-", None),
        ("bytes=a-b", None),
        ("lines=0-1", None),
        ("", None),
    ],
)
def test_a_range_asks_for_these_bytes(asked: str, part: Slice | None) -> None:
    assert wanted({"range": asked}, STORED) == part


@pytest.mark.parametrize("asked", ["bytes=1000-", "bytes=1000-1001", "bytes=-0"])
def test_a_range_beyond_the_end_cannot_be_had(asked: str) -> None:
    with pytest.raises(RangeNotSatisfiable) as refused:
        wanted({"range": asked}, STORED)
    assert refused.value.headers == {"Content-Range": "bytes */1000"}


@pytest.mark.parametrize(
    ("condition", "partial"),
    [
        ('"abc"', True),
        ('"other"', False),
        ('W/"abc"', False),
        (DATE, True),
        ("Mon, 23 Nov 2026 09:00:01 GMT", False),
        ("nonsense", False),
    ],
)
def test_if_range_gives_a_part_only_of_the_same_version(condition: str, partial: bool) -> None:
    headers = {"range": "bytes=0-9", "if-range": condition}
    assert (wanted(headers, STORED) is not None) is partial


@pytest.mark.parametrize(
    ("headers", "known"),
    [
        ({"if-none-match": '"abc"'}, True),
        ({"if-none-match": '"x", W/"abc"'}, True),
        ({"if-none-match": "*"}, True),
        ({"if-none-match": '"x"', "if-modified-since": DATE}, False),
        ({"if-modified-since": DATE}, True),
        ({"if-modified-since": "Mon, 23 Nov 2026 08:59:59 GMT"}, False),
        ({}, False),
    ],
)
def test_a_known_version_is_not_sent_again(headers: dict[str, str], known: bool) -> None:
    assert not_modified(headers, STORED) is known
