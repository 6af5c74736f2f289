"""Fields that the requests of several rooms have: URLs to call, telephone numbers, cursors."""

from collections.abc import Iterator
from typing import Annotated

import msgspec

from sautikitd.egress.urls import check_url
from sautikitd.http.checks import Circumstances, Fault
from sautikitd.http.errors import InvalidCursor
from sautikitd.http.pagination import Limit, is_cursor_of
from sautikitd.numbering.emergency import is_emergency
from sautikitd.numbering.errors import EmergencyUnsupported
from sautikitd.numbering.parse import parse_number
from sautikitd.numbering.problems import BadNumber


def _check_url(url: str, given: Circumstances) -> Iterator[Fault]:
    """By its text; what its host resolves to is looked at whenever it is called (`egress.guard`)."""
    problem = check_url(url, live=given.mode == "live", allow_private=given.allow_private_urls)
    if problem:
        yield Fault("", problem.reason)


def check_telephone(raw: str, given: Circumstances) -> Iterator[Fault]:
    number = parse_number(raw, test_mode=given.mode == "test")
    if isinstance(number, BadNumber):
        yield Fault("", number.reason)


def _check_dialled(raw: str, given: Circumstances) -> Iterator[Fault]:
    """Emergency numbers before anything else is looked at (contract §3). Whether it is open to the workspace is asked
    when it is dialled."""
    if is_emergency(raw):
        yield Fault("", "emergency services cannot be reached through this platform", EmergencyUnsupported)
    else:
        yield from check_telephone(raw, given)


def _check_cursor(cursor: str, given: Circumstances) -> Iterator[Fault]:
    if not is_cursor_of(cursor, given.path):
        yield Fault("", "not a `next_cursor` of this list", InvalidCursor)


HttpUrl = Annotated[str, msgspec.Meta(extra={"policy": _check_url})]
Telephone = Annotated[str, msgspec.Meta(extra={"policy": check_telephone})]
Dialled = Annotated[str, msgspec.Meta(extra={"policy": _check_dialled})]
Cursor = Annotated[
    str | None,
    msgspec.Meta(description="`next_cursor` of the page before.", extra={"policy": _check_cursor}),
]


class PageQuery(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What every list takes, and some nothing else."""

    limit: Limit = 25
    cursor: Cursor = None
