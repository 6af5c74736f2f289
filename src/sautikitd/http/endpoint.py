"""Endpoints as data: what an address takes, answers, refuses and requires.

A room's `routes.py` has a class whose methods carry `@get`, `@post`, … . The same declaration makes
the handler (`http.kernel`) and the OpenAPI document (`http.openapi`), so the two cannot drift apart.
"""

from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from functools import cached_property
from typing import Any, Generic, TypeVar

import msgspec

from sautikitd.database.pool import Connection
from sautikitd.errors import Refusal
from sautikitd.identity.principal import Principal

B = TypeVar("B")
Q = TypeVar("Q")

_MARK = "_sautikit_endpoint"


class Nothing(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What a body or a query is read into where an endpoint declares none: an empty one will do, anything else is
    refused rather than passed over."""


@dataclass(kw_only=True)
class ApiRequest(Generic[B, Q]):
    """One request, read and authorised.

    `connection` is inside the request's one transaction when the endpoint changes things, an ordinary
    pooled connection when it only reads, and None where it was declared to need none. `after_commit`
    callbacks run once the transaction has committed, and are for wake-ups only: a lost one must not matter.
    """

    connection: Connection
    principal: Principal
    body: B
    query: Q
    path: Mapping[str, str]
    headers: Mapping[str, str]
    request_id: str
    source_address: str
    now: datetime
    raw: bytes = b""  # the body as it came, for an endpoint that declares none and reads it itself
    after_commit: list[Callable[[], Awaitable[None]]] = field(default_factory=list)

    @property
    def real_now(self) -> datetime:
        """`now`, whatever the clock of test mode was moved by: calls, and links for browsers, live in real time."""
        return self.now - timedelta(seconds=self.principal.ahead_seconds)


@dataclass(kw_only=True)
class Answer:
    """What goes back. `body` is a struct (sent as JSON), or `stream` sends bytes as they come.

    A stream is not read for HEAD, so `headers` should carry its Content-Length where it is known.
    """

    status: int = 200
    body: Any = None
    headers: dict[str, str] = field(default_factory=dict)
    secret: bool = False  # holds a secret: sent with Cache-Control: no-store
    stream: AsyncIterator[bytes] | None = None
    media_type: str = "application/json"


Handler = Callable[[ApiRequest[Any, Any]], Awaitable[Answer]]


@dataclass(frozen=True, kw_only=True)
class Endpoint:
    method: str
    path: str  # '/v1/calls/{call_id}'
    handler: Handler
    name: str
    summary: str
    description: str
    tag: str
    scope: str | None  # None with authenticated=True: any key
    authenticated: bool
    body: type | None
    body_optional: bool
    takes_files: tuple[str, ...]
    query: type | None
    answers: Mapping[int, Any]  # status -> struct type, None (empty), a media type, or a tuple of these
    errors: tuple[type[Refusal], ...]
    body_limit: int
    allowed_while_suspended: bool
    needs_connection: bool
    rate_limited: (
        bool  # False: what is asked waits in a queue of its own, and is not refused for rate (contract §1)
    )
    documented: bool
    browser_safe: bool
    audited: bool
    timeout_seconds: float

    @cached_property
    def changes(self) -> bool:
        return self.method not in ("GET", "HEAD")

    @cached_property
    def read_body(self) -> type | None:
        """What a body is read into, if any comes. None: it is not looked at, for a GET's means nothing (RFC 9110
        §9.3.1), a file is read by its endpoint, and what is sent to an address of no documentation others decide."""
        if self.takes_files or not self.changes or not self.documented:
            return self.body
        return self.body or Nothing

    @cached_property
    def read_query(self) -> type | None:
        """What a query is read into, if any comes."""
        return self.query or (Nothing if self.documented else None)

    @cached_property
    def records_act(self) -> bool:
        """Whether each success leaves a row in the audit log."""
        return self.changes and self.audited and self.needs_connection

    @cached_property
    def action(self) -> str:
        """What the audit log calls it where the room has no word of its own: `call.place`, `webhook.test`."""
        return f"{self.tag.lower().replace('-', '_').replace(' ', '_').rstrip('s')}.{self.name}"

    @cached_property
    def media_types(self) -> frozenset[str]:
        """What its successes are sent as; empty where it says nothing, or sends elsewhere."""
        if 302 in self.answers:
            return frozenset()
        return frozenset(
            media_type for answer in self.answers.values() for media_type, _ in contents_of(answer)
        )

    @cached_property
    def is_single_object(self) -> bool:
        """A read of one thing, which a client may keep and ask about again (`ETag`)."""
        return self.method == "GET" and self.query is None and self.media_types != frozenset()


def endpoint(
    method: str,
    path: str,
    *,
    scope: str | None = None,
    authenticated: bool = True,
    body: type | None = None,
    body_optional: bool = False,
    takes_files: tuple[str, ...] = (),
    query: type | None = None,
    answers: Mapping[int, Any],
    errors: tuple[type[Refusal], ...] = (),
    body_limit: int = 256 * 1024,
    allowed_while_suspended: bool = False,
    needs_connection: bool = True,
    rate_limited: bool = True,
    documented: bool = True,
    browser_safe: bool = False,
    audited: bool = True,
    timeout_seconds: float = 25.0,
) -> Callable[[Callable[..., Awaitable[Answer]]], Callable[..., Awaitable[Answer]]]:
    """Declares a method of a routes class to be an endpoint. The docstring's first line is its summary.

    `body_optional=True` takes a request without a body for one with an empty object.
    `takes_files` are the media types of a file that it takes as its body (`ApiRequest.raw`), and as the part `file` of
    a form; it reads that itself.
    `needs_connection=False` is for one that waits for something else than the database (a file, an
    encoder) and must not keep a pooled connection from others meanwhile; only for reading.
    `documented=False` keeps out of the OpenAPI document what is no part of the public contract.
    `browser_safe=True` lets pages of any origin read it (CORS). `audited=False` is for a POST that changes
    nothing. An endpoint that takes longer than `timeout_seconds` is undone and answered with 503.
    """

    def mark(method_: Callable[..., Awaitable[Answer]]) -> Callable[..., Awaitable[Answer]]:
        declared = {
            "method": method,
            "path": path,
            "scope": scope,
            "authenticated": authenticated,
            "body": body,
            "body_optional": body_optional,
            "takes_files": takes_files,
            "query": query,
            "answers": answers,
            "errors": errors,
            "body_limit": body_limit,
            "allowed_while_suspended": allowed_while_suspended,
            "needs_connection": needs_connection,
            "rate_limited": rate_limited,
            "documented": documented,
            "browser_safe": browser_safe,
            "audited": audited,
            "timeout_seconds": timeout_seconds,
        }
        method_.__dict__.setdefault(_MARK, []).append(declared)
        return method_

    return mark


def contents_of(answer: Any) -> list[tuple[str, Any]]:
    """The media types of a declared answer, each with its struct type or None for what has no schema."""
    contents: list[tuple[str, Any]] = []
    for one in answer if isinstance(answer, tuple) else (answer,):
        if isinstance(one, str):
            contents.append((one, None))
        elif one is not None:
            contents.append(("application/json", one))
    return contents


def endpoints_of(routes: object) -> Iterator[Endpoint]:
    """Every endpoint of a routes object (bound) or class (for documentation only), in order of definition."""
    kind = routes if isinstance(routes, type) else type(routes)
    for name, member in vars(kind).items():
        for declared in reversed(getattr(member, _MARK, ())):  # decorators run from the lowest up
            summary, _, description = (member.__doc__ or name).strip().partition("\n")
            yield Endpoint(
                handler=getattr(routes, name),
                name=name,
                summary=summary.rstrip("."),
                description="\n".join(line.strip() for line in description.strip().splitlines()),
                tag=getattr(kind, "tag", kind.__name__),
                **declared,
            )
