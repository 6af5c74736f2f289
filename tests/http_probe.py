"""A room made for the tests of the kernel: endpoints that show how it treats them."""

import asyncio
from collections.abc import Iterator
from typing import Annotated, Any
from uuid import UUID

import msgspec

from sautikitd.http.checks import Circumstances, Fault, rule
from sautikitd.http.endpoint import Answer, ApiRequest, endpoint
from sautikitd.http.pagination import Limit, Page, decode_cursor, page
from sautikitd.identity.errors import WorkspaceNotFound
from sautikitd.ids import uuid7


def _check_colour(value: str) -> str | None:
    return None if value in ("red", "green") else "red or green"


class Wheel(msgspec.Struct, forbid_unknown_fields=True):
    size: Annotated[int, msgspec.Meta(ge=1, le=30)]
    colour: Annotated[str, msgspec.Meta(extra={"check": _check_colour})] = "red"


class Bicycle(msgspec.Struct, kw_only=True, forbid_unknown_fields=True):
    name: Annotated[str, msgspec.Meta(min_length=1, max_length=20)]
    wheels: list[Wheel] = []
    note: str = ""

    @rule
    def has_two_wheels(self, _: Circumstances) -> Iterator[Fault]:
        if len(self.wheels) > 2:
            yield Fault("/wheels", "a bicycle has two")


class Made(msgspec.Struct):
    id: UUID
    name: str


class ThingsQuery(msgspec.Struct, kw_only=True, forbid_unknown_fields=True):
    limit: Limit = 25
    cursor: str | None = None
    heavy: bool | None = None


class ProbeRoutes:
    """Things are rows of `users`, a table without strings attached; `slow` waits for `go`."""

    tag = "Probe"

    def __init__(self) -> None:
        self.started = asyncio.Event()
        self.go = asyncio.Event()
        self.woken = 0

    @endpoint("POST", "/v1/things", body=Bicycle, answers={201: Made}, body_limit=2_000)
    async def make(self, request: ApiRequest[Bicycle, None]) -> Answer:
        """Make a thing."""
        made = uuid7()
        await request.connection.execute(
            "INSERT INTO users (id, email) VALUES ($1, $2)", made, f"{made}@{request.body.note}"
        )
        request.after_commit.append(self._wake)
        headers = {"Location": f"/v1/things/{made}"}
        return Answer(status=201, body=Made(made, request.body.name), headers=headers)

    @endpoint("GET", "/v1/things", query=ThingsQuery, answers={200: Page[Made]})
    async def list_things(self, request: ApiRequest[None, ThingsQuery]) -> Answer:
        """List things."""
        rows = await request.connection.fetch(
            "SELECT id, email FROM users WHERE $1::uuid IS NULL OR id < $1 ORDER BY id DESC LIMIT $2",
            decode_cursor(request.query.cursor),
            request.query.limit + 1,
        )
        return Answer(
            body=page(
                rows, request.query.limit, lambda row: Made(row["id"], row["email"]), lambda row: row["id"]
            )
        )

    @endpoint("POST", "/v1/slow", body=Bicycle, answers={201: Made})
    async def slow(self, request: ApiRequest[Bicycle, None]) -> Answer:
        """Make a thing slowly."""
        self.started.set()
        await self.go.wait()
        return await self.make(request)

    @endpoint("POST", "/v1/refused", body=Bicycle, answers={201: Made}, errors=(WorkspaceNotFound,))
    async def refused(self, request: ApiRequest[Bicycle, None]) -> Answer:
        """Write something, then refuse unless told `allowed`."""
        answer = await self.make(request)
        if request.body.note != "allowed" and not self.go.is_set():
            raise WorkspaceNotFound
        return answer

    @endpoint("POST", "/v1/secrets", answers={201: Made})
    async def secret(self, request: ApiRequest[None, None]) -> Answer:
        """Make a secret."""
        return Answer(status=201, body=Made(uuid7(), "whsec_…"), secret=True)

    @endpoint("POST", "/v1/nothing", answers={204: None})
    @endpoint("POST", "/v1/nil", answers={204: None})
    async def nothing(self, request: ApiRequest[None, None]) -> Answer:
        """Answer nothing."""
        return Answer(status=204)

    @endpoint("GET", "/v1/broken", authenticated=False, answers={200: Made})
    async def broken(self, request: ApiRequest[None, None]) -> Answer:
        """Fail."""
        raise RuntimeError("password is hunter2")

    @endpoint("POST", "/v1/wake-failing", answers={201: Made})
    async def wake_failing(self, request: ApiRequest[Any, None]) -> Answer:
        """Commit, then fail to wake anybody."""

        async def fail() -> None:
            raise RuntimeError("nobody there")

        request.after_commit.append(fail)
        return Answer(status=201, body=Made(uuid7(), "made"))

    async def _wake(self) -> None:
        self.woken += 1
