"""From a request on the wire to an endpoint and back: one path for every address of the API.

Authenticate, limit the rate, check scope and suspension, read strictly, run the endpoint in one
transaction with its idempotency record, answer in one shape.
"""

import ipaddress
import random
import re
from collections.abc import Hashable, Mapping, Sequence
from contextlib import AbstractAsyncContextManager, nullcontext
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from time import perf_counter
from typing import Any, Protocol
from uuid import UUID

import structlog

from sautikitd.clock import Clock
from sautikitd.database.changing import Change
from sautikitd.database.pool import Connection, Database, DatabaseUnavailable
from sautikitd.errors import FieldProblem, Invalid, Refusal
from sautikitd.http import metrics
from sautikitd.http.checks import Circumstances, has_lookups, looked_up, refusal_of
from sautikitd.http.conventions import ANY_ORIGIN, SECURITY_HEADERS, accepts, content_of, respond
from sautikitd.http.endpoint import Answer, ApiRequest, Endpoint, Nothing
from sautikitd.http.errors import (
    AccountSuspended,
    BodyTooLarge,
    BodyTooSlow,
    CredentialsMissing,
    MalformedJson,
    NotAcceptable,
    NotFound,
    RateLimited,
    ScopeDenied,
    ServiceUnavailable,
    UnsupportedMediaType,
    envelope,
)
from sautikitd.http.exchange import Disconnected, Exchange, Outgoing
from sautikitd.http.idempotency import Idempotency, StoredAnswer
from sautikitd.http.json_body import unstorable
from sautikitd.http.pagination import Page, bind
from sautikitd.http.patience import Patience
from sautikitd.http.rate_limit import RateLimiter
from sautikitd.http.validation import Reading, read_body, read_query
from sautikitd.identity import audit
from sautikitd.identity.audit import Actor
from sautikitd.identity.principal import Principal

log = structlog.get_logger()
ANONYMOUS = Principal(id=UUID(int=0), workspace_id=UUID(int=0), mode="test", scopes=frozenset())
_BODY_SECONDS = 30
_SLOWEST_BODY = 64 * 1024  # bytes a second of a large one: an upload over a telephone's connection
_LONGEST_PATH_VALUE = 2048
_CHANCE = (
    random.Random()
)  # seeded by the system; a request id is a name and no secret, and this costs no system call
_SANE_REQUEST_ID = re.compile(r"[A-Za-z0-9_.:\-]{1,128}")


class Authenticator(Protocol):
    async def authenticate(self, credential: str, source_address: str) -> Principal:
        """The principal of a bearer credential; raises a 401 or 403 `Refusal`."""
        ...


@dataclass(frozen=True, kw_only=True)
class Kernel:
    database: Database
    authenticator: Authenticator
    idempotency: Idempotency
    limiter: RateLimiter
    clock: Clock
    docs_base: str
    allow_private_urls: bool = False
    trusted_proxies: Sequence[ipaddress.IPv4Network | ipaddress.IPv6Network] = ()
    security_headers: Mapping[str, str] = field(default_factory=lambda: SECURITY_HEADERS)
    patience: Patience = field(default_factory=Patience)

    async def serve(self, endpoint: Endpoint, request: Exchange) -> Outgoing:
        started = perf_counter()
        request_id = request_id_of(request)
        headers = {**self.security_headers, "X-Request-Id": request_id}
        if endpoint.browser_safe:
            headers.update(ANY_ORIGIN)
        try:
            answer = await self._answer(endpoint, request, request_id, headers)
        except Refusal as refusal:
            answer = self.refuse(refusal, request_id)
        except Disconnected:
            raise
        except DatabaseUnavailable as exc:
            log.warning(
                "database unavailable", request_id=request_id, endpoint=endpoint.path, error=repr(exc)
            )
            answer = self.refuse(ServiceUnavailable(), request_id)
        except Exception:
            log.exception("endpoint failed", request_id=request_id, endpoint=endpoint.path)
            answer = self.refuse(Refusal(), request_id)
        metrics.count(endpoint.method, endpoint.path, answer.status, perf_counter() - started)
        return respond(
            answer,
            headers,
            asked=request.headers,
            head=request.method == "HEAD",
            validated=endpoint.is_single_object,
        )

    def refuse(self, refusal: Refusal, request_id: str) -> Answer:
        body = envelope(refusal, request_id, self.docs_base)
        return Answer(status=refusal.status, body=body, headers=refusal.headers)

    async def _answer(
        self, endpoint: Endpoint, request: Exchange, request_id: str, headers: dict[str, str]
    ) -> Answer:
        source = self.source_address(request)
        principal = ANONYMOUS
        if endpoint.authenticated:
            principal = await self.authenticator.authenticate(bearer(request), source)
            self._limit(endpoint, principal.id, headers)
            self._authorise(endpoint, principal)
        elif endpoint.browser_safe:
            self._limit(endpoint, source, headers)
        self._negotiate(endpoint, request)
        raw = b"" if endpoint.method == "GET" else await self._body(endpoint, request)
        now = self.clock.now() + timedelta(seconds=principal.ahead_seconds)
        key = None
        if endpoint.method == "POST" and endpoint.authenticated:
            key = request.headers.get("idempotency-key")
        try:
            body, query = await self._read(endpoint, request, raw, principal, now, key)
        except Refusal:
            if key is not None:
                await self._refuse_another(request, principal, key, raw, now)
            raise
        async with self._place(endpoint) as place:
            call = ApiRequest(
                connection=place.connection if isinstance(place, Change) else place,
                principal=principal,
                body=body,
                query=query,
                path=request.path_values,
                headers=request.headers,
                request_id=request_id,
                source_address=source,
                now=now,
                raw=raw,
            )
            with self.patience.at_most(endpoint.timeout_seconds):
                if not isinstance(place, Change):
                    answer = await endpoint.handler(call)
                    if isinstance(answer.body, Page):
                        bind(answer.body, endpoint.path)
                elif key is None:
                    answer = await self._act(endpoint, call, place)
                else:
                    answer = await self._once(endpoint, request, call, place, key, raw)
        for wake in call.after_commit:
            try:
                await wake()
            except Exception:
                log.exception("wake-up after commit failed", request_id=request_id, endpoint=endpoint.path)
        return answer

    async def _read(
        self,
        endpoint: Endpoint,
        request: Exchange,
        raw: bytes,
        principal: Principal,
        now: datetime,
        key: str | None,
    ) -> tuple[Any, Any]:
        """Body and query. Raises one refusal that names every fault of both, with those the database knows of, and that
        of the idempotency key."""
        given = Circumstances(
            mode=principal.mode, allow_private_urls=self.allow_private_urls, path=endpoint.path
        )
        body: Reading[Any] | None = None
        if endpoint.read_body and raw:
            body = read_body(endpoint.read_body, raw, given)
        query: Reading[Any] | None = None
        if endpoint.query or (endpoint.read_query and request.query_string):
            query = read_query(endpoint.read_query or Nothing, _query_pairs(request), given)
        faults = [fault for reading in (body, query) if reading for fault in reading.faults]
        faults += self.idempotency.faults(key) if key is not None else ()
        if faults and body and endpoint.body and has_lookups(endpoint.body) and body.is_object:
            async with self.database.connection() as connection:
                faults += await looked_up(endpoint.body, body.value, connection, principal, now)
        if faults:
            raise refusal_of(faults)
        return (
            body.value if body and endpoint.body else None,
            query.value if query and endpoint.query else None,
        )

    async def _refuse_another(
        self, request: Exchange, principal: Principal, key: str, raw: bytes, now: datetime
    ) -> None:
        """A key that was used for something else goes before what is wrong with the request (contract §1)."""
        fingerprint = self.idempotency.fingerprint(request.method, request.path, request.query_string, raw)
        async with self.database.connection() as connection:
            await self.idempotency.refuse_another(connection, principal, key, fingerprint, now)

    async def _once(
        self,
        endpoint: Endpoint,
        request: Exchange,
        call: ApiRequest[Any, Any],
        change: Change,
        key: str,
        raw: bytes,
    ) -> Answer:
        """Runs the endpoint at most once for this key (contract §12, Idempotency)."""
        fingerprint = self.idempotency.fingerprint(request.method, request.path, request.query_string, raw)
        stored = await self.idempotency.find(call.connection, call.principal, key, fingerprint, call.now)
        if stored:
            replayed = {**stored.headers, "Idempotent-Replay": "true"}
            return Answer(status=stored.status, body=stored.body, headers=replayed, secret=stored.secret)
        answer = await self._act(endpoint, call, change)
        encoded = StoredAnswer(answer.status, content_of(answer), answer.headers, answer.secret)
        self.idempotency.store(change, call.principal, key, fingerprint, encoded, call.now)
        return answer

    @staticmethod
    async def _act(endpoint: Endpoint, call: ApiRequest[Any, Any], change: Change) -> Answer:
        """Runs the endpoint. What it changes is in the audit log, by its room's own words or by these."""
        if call.body is not None and has_lookups(type(call.body)):
            faults = await looked_up(type(call.body), call.body, call.connection, call.principal, call.now)
            if faults:
                raise refusal_of(faults)
        if not endpoint.records_act:
            return await endpoint.handler(call)
        with audit.noting(change) as acts:
            answer = await endpoint.handler(call)
            if acts.actions:
                return answer
            actor = Actor.of(call.principal, call.source_address)
            if not endpoint.authenticated:
                actor = Actor(kind="system", id=endpoint.tag, source=call.source_address)
            target = answer.headers.get("Location", "").rpartition("/")[2] or _last_of(call.path)
            await audit.record(call.connection, actor, endpoint.action, target, now=call.now)
        return answer

    def _place(self, endpoint: Endpoint) -> AbstractAsyncContextManager[Change | Connection]:
        if not endpoint.needs_connection:
            return nullcontext()
        return self.database.change() if endpoint.changes else self.database.connection()

    def _limit(self, endpoint: Endpoint, who: Hashable, headers: dict[str, str]) -> None:
        allowance = self.limiter.take(who)
        headers.update(allowance.headers())
        if endpoint.rate_limited and not allowance.allowed:
            raise RateLimited

    @staticmethod
    def _authorise(endpoint: Endpoint, principal: Principal) -> None:
        if endpoint.scope and not principal.may(endpoint.scope):
            raise ScopeDenied(scope=endpoint.scope)
        if endpoint.changes and principal.suspended and not endpoint.allowed_while_suspended:
            raise AccountSuspended

    @staticmethod
    def _negotiate(endpoint: Endpoint, request: Exchange) -> None:
        """Raises for a path that names nothing storable, and for an Accept that takes nothing we send."""
        for value in request.path_values.values():
            if len(value) > _LONGEST_PATH_VALUE or unstorable(value):
                raise NotFound
        if not accepts(request.headers.get("accept", ""), endpoint.media_types):
            raise NotAcceptable(offered=" or ".join(sorted(endpoint.media_types)))

    async def _body(self, endpoint: Endpoint, request: Exchange) -> bytes:
        declared = request.headers.get("content-length", "")
        if declared.isdigit() and int(declared) > endpoint.body_limit:
            raise BodyTooLarge(limit=endpoint.body_limit)
        chunks, size = [], 0
        patience = max(_BODY_SECONDS, endpoint.body_limit // _SLOWEST_BODY)
        try:
            with self.patience.at_most(patience):
                async for chunk in request.body():
                    size += len(chunk)
                    if size > endpoint.body_limit:
                        raise BodyTooLarge(limit=endpoint.body_limit)
                    chunks.append(chunk)
        except TimeoutError as exc:
            raise BodyTooSlow(seconds=patience) from exc
        raw = b"".join(chunks)
        if endpoint.body_optional and not raw:
            return b"{}"
        if endpoint.body or (endpoint.read_body and raw):
            if not _is_plain_json(request):
                raise UnsupportedMediaType
            if not raw:
                raise MalformedJson(reason="it is empty")
        return raw

    def source_address(self, request: Exchange) -> str:
        """The client's address; forwarded headers count only from configured proxies."""
        peer = request.peer
        forwarded = request.headers.get("x-forwarded-for", "").split(",")[-1].strip()
        return forwarded if forwarded and self._is_proxy(peer) else peer

    def _is_proxy(self, peer: str) -> bool:
        try:
            address = ipaddress.ip_address(peer)
        except ValueError:
            return False
        return any(address in network for network in self.trusted_proxies)


def request_id_of(request: Exchange) -> str:
    """The client's own X-Request-Id where it is sane, else a new one."""
    theirs = request.headers.get("x-request-id", "")
    return theirs if _SANE_REQUEST_ID.fullmatch(theirs) else f"req_{_CHANCE.getrandbits(96):024x}"


def _is_plain_json(request: Exchange) -> bool:
    """By its headers: JSON in UTF-8 (RFC 8259 §8.1 knows no other, and no `charset`), and not compressed."""
    if request.headers.get("content-encoding", "").lower() not in ("", "identity"):
        return False
    content_type = request.headers.get("content-type", "").lower()
    if content_type == "application/json":
        return True
    media_type, *parameters = (part.strip() for part in content_type.split(";"))
    charsets = {one.partition("=")[2].strip('"') for one in parameters if one.startswith("charset=")}
    return media_type == "application/json" and charsets <= {"utf-8", "utf8", "us-ascii"}


def _query_pairs(request: Exchange) -> list[tuple[str, str]]:
    try:
        return request.query_pairs()
    except ValueError as exc:
        raise Invalid(fields=[FieldProblem("?", "more parameters than any address takes")]) from exc


def _last_of(path: Mapping[str, str]) -> str:
    """What a path names last: `/v1/webhooks/{webhook_id}/deliveries/{delivery_id}/redeliver` its delivery."""
    return next(reversed(list(path.values())), "")[:200]


def bearer(request: Exchange) -> str:
    kind, _, credential = request.headers.get("authorization", "").partition(" ")
    if kind.lower() != "bearer" or not credential.strip():
        raise CredentialsMissing
    return credential.strip()
