"""`/v1/test/clock`."""

from collections.abc import Callable, Iterator
from datetime import datetime
from typing import Annotated
from uuid import UUID

import msgspec

from sautikitd.http.checks import Circumstances, Fault, present, rule
from sautikitd.http.endpoint import Answer, ApiRequest, endpoint
from sautikitd.identity import audit
from sautikitd.identity.audit import Actor
from sautikitd.identity.principal import Principal, Scope
from sautikitd.test_clock.clocks import (
    LONGEST_MOVE,
    TestClockBackwards,
    TestClockDenied,
    TestClocks,
    TestClockShown,
    TestClockTooFar,
)

_LONGEST = int(LONGEST_MOVE.total_seconds())


class MoveClock(msgspec.Struct, kw_only=True, forbid_unknown_fields=True):
    """Exactly one of `advance_seconds` (up to 400 days) and `to` (RFC 3339)."""

    advance_seconds: Annotated[int, msgspec.Meta(ge=1, le=_LONGEST)] | None = None
    to: Annotated[datetime, msgspec.Meta(tz=True)] | None = None

    @rule
    def says_how_far(self, _: Circumstances) -> Iterator[Fault]:
        if len(present(self, ("advance_seconds", "to"))) != 1:
            yield Fault("/advance_seconds", "give exactly one of advance_seconds and to")


class TestClockRoutes:
    """`forget` makes this process read the workspace's keys, and with them its clock, anew."""

    tag = "Test mode"

    def __init__(self, clocks: TestClocks, forget: Callable[[UUID], None]) -> None:
        self._clocks = clocks
        self._forget = forget

    @endpoint(
        "GET",
        "/v1/test/clock",
        scope=Scope.NUMBERS_READ,
        answers={200: TestClockShown},
        errors=(TestClockDenied,),
    )
    async def read(self, request: ApiRequest[None, None]) -> Answer:
        """Read the test clock."""
        _require_test(request.principal)
        return Answer(body=await self._clocks.read(request.connection, request.principal.workspace_id))

    @endpoint(
        "POST",
        "/v1/test/clock",
        scope=Scope.NUMBERS_WRITE,
        body=MoveClock,
        answers={200: TestClockShown},
        errors=(TestClockDenied, TestClockBackwards, TestClockTooFar),
    )
    async def move(self, request: ApiRequest[MoveClock, None]) -> Answer:
        """Move the test clock forward.

        What the days between bring happens at once: renewals, past due, suspension, release, each with its event.
        Waiting webhook retries come due. Elsewhere the new time holds within a second. It cannot be moved back.
        """
        principal, wish = request.principal, request.body
        _require_test(principal)
        shown = await self._clocks.move(
            request.connection, principal.workspace_id, advance_seconds=wish.advance_seconds, to=wish.to
        )
        actor = Actor.of(principal, request.source_address)
        detail = {"now": shown.now}
        await audit.record(request.connection, actor, "test_clock.move", detail=detail, now=request.now)
        request.after_commit.append(lambda: self._read_anew(principal.workspace_id))
        return Answer(body=shown)

    async def _read_anew(self, workspace_id: UUID) -> None:
        self._forget(workspace_id)


def _require_test(principal: Principal) -> None:
    if principal.mode != "test":
        raise TestClockDenied
