"""Asks voice callback URLs (contract §5): one question, at most two attempts, ten seconds in all."""

from collections.abc import Awaitable, Callable, Mapping, Sequence
from datetime import datetime

import msgspec

from sautikitd.clock import Clock
from sautikitd.egress.client import EgressClient, EgressLimits, Exchange
from sautikitd.egress.failures import EgressFailure
from sautikitd.flow.callbacks.log import LOGGED_BYTES, CallbackEntry, CallbackLog, CallbackOutcome
from sautikitd.flow.callbacks.question import Method, Question, masked
from sautikitd.flow.callbacks.request import FORM, prepare
from sautikitd.flow.callbacks.vocabulary import Asking, EndReport, Prepared, Vocabulary
from sautikitd.flow.document import Flow, FlowInvalid, FlowProblem
from sautikitd.flow.reader import MAX_BODY_BYTES, read_flow
from sautikitd.flow.xml.element import Dialect

TOTAL_S = 10.0
CONNECT_S = 5.0
ATTEMPTS = 2

Scrub = Callable[[str], str]
"""Masks in a text what must not be written down."""

SecretSource = Callable[[], Awaitable[Sequence[str]]]
"""The signing secrets valid now, newest first; asked for each question, so that rotation takes effect."""


class CallbackFailed(Exception):
    """No flow came back. `problems` say where an invalid one is wrong."""

    def __init__(
        self,
        outcome: CallbackOutcome,
        message: str,
        *,
        url: str,
        duration_ms: int = 0,
        status: int | None = None,
        problems: tuple[FlowProblem, ...] = (),
    ) -> None:
        super().__init__(message)
        self.outcome = outcome
        self.message = message
        self.url = url
        self.duration_ms = duration_ms
        self.status = status
        self.problems = problems


class CallbackReply(msgspec.Struct, frozen=True, kw_only=True):
    flow: Flow
    url: str
    status: int
    duration_ms: int
    sound: bool = False  # instead of a flow: the URL is that of a sound file


class CallbackClient:
    """Belongs to one call: its vocabulary, its workspace's secrets, its mode, its log."""

    def __init__(
        self,
        egress: EgressClient,
        *,
        vocabulary: Vocabulary,
        secrets: SecretSource,
        log: CallbackLog,
        live: bool,
        clock: Clock,
        total_s: float = TOTAL_S,
    ) -> None:
        self._egress = egress
        self._vocabulary = vocabulary
        self._secrets = secrets
        self._log = log
        self._live = live
        self._clock = clock
        self._total_s = total_s

    @property
    def end_report(self) -> EndReport:
        return self._vocabulary.end_report

    async def ask(self, asking: Asking, scrub: Scrub = str) -> CallbackReply:
        """The flow that the URL answers with. Raises `CallbackFailed` for anything else."""
        exchange = await self._send(asking, scrub, ignore_reply=False)
        flow = _reading(exchange, self._vocabulary.dialect, asking)
        url = asking.question.url
        if isinstance(flow, FlowInvalid):
            raise CallbackFailed(
                CallbackOutcome.INVALID,
                str(flow),
                url=url,
                status=exchange.status,
                duration_ms=exchange.duration_ms,
                problems=flow.problems,
            )
        return CallbackReply(
            flow=flow,
            url=url,
            status=exchange.status,
            duration_ms=exchange.duration_ms,
            sound=_is_sound(exchange),
        )

    async def report(self, asking: Asking, scrub: Scrub = str) -> None:
        """The last report: sent like a question, its reply ignored, its failure only logged."""
        try:
            await self._send(asking, scrub, ignore_reply=True)
        except CallbackFailed:
            return  # already in the callback log, and there is no call left to act on

    async def _send(self, asking: Asking, scrub: Scrub, *, ignore_reply: bool) -> Exchange:
        """One exchange with a 2xx status, after a second attempt where the first found no connection."""
        question = asking.question
        started = self._clock.monotonic()
        prepared, shown = self._prepared(asking), self._prepared(_shown(asking))
        for attempt in range(1, ATTEMPTS + 1):
            attempted_at = self._clock.now()
            line = _Line(
                self._log,
                asking,
                shown,
                scrub,
                attempt,
                attempted_at,
                ignore_reply,
                self._vocabulary.dialect,
            )
            left = self._total_s - (self._clock.monotonic() - started)
            try:
                exchange = await self._attempt(question.method, prepared, left)
            except EgressFailure as failure:
                line.failed(failure)
                if attempt < ATTEMPTS and failure.is_connection_error:
                    continue
                raise CallbackFailed(
                    CallbackOutcome(failure.kind.value),
                    failure.message,
                    url=question.url,
                    duration_ms=failure.duration_ms,
                ) from failure
            line.answered(exchange)
            if exchange.ok:
                return exchange
            raise CallbackFailed(
                CallbackOutcome.STATUS,
                f"status {exchange.status}, which is not 2xx",
                url=question.url,
                status=exchange.status,
                duration_ms=exchange.duration_ms,
            )
        raise AssertionError("every attempt returns or raises")

    async def _attempt(self, method: Method, prepared: Prepared, seconds: float) -> Exchange:
        secrets = await self._secrets()
        headers = self._vocabulary.signature(prepared, secrets, self._clock.now())
        headers["Accept"] = self._vocabulary.accept
        post = method is Method.POST
        if post:
            headers["Content-Type"] = FORM
        return await self._egress.request(
            method.value,
            prepared.url,
            live=self._live,
            headers=headers,
            body=prepared.payload if post else None,
            limits=EgressLimits(
                total_s=max(0.1, seconds), connect_s=CONNECT_S, body_bytes=MAX_BODY_BYTES + 1
            ),
        )

    def _prepared(self, asking: Asking) -> Prepared:
        question = asking.question
        try:
            return prepare(
                question.url,
                question.method,
                self._vocabulary.parameters(asking),
                asking.context.client_request_id,
            )
        except ValueError as error:
            raise CallbackFailed(CallbackOutcome.REFUSED, f"not a URL: {error}", url=question.url) from error


class _Line:
    """Writes the log entry of one attempt."""

    def __init__(
        self,
        log: CallbackLog,
        asking: Asking,
        shown: Prepared,
        scrub: Scrub,
        attempt: int,
        attempted_at: datetime,
        ignore_reply: bool,
        dialect: Dialect | None,
    ) -> None:
        self._log = log
        self._dialect = dialect
        self._asking = asking
        self._scrub = scrub
        self._ignore_reply = ignore_reply
        self._entry = CallbackEntry(
            call_id=asking.context.call_id,
            requested_at=attempted_at,
            attempt=attempt,
            method=asking.question.method.value,
            url=scrub(shown.url),
            request_body=scrub(shown.payload.decode()) if asking.question.method is Method.POST else "",
            outcome=CallbackOutcome.OK,
            duration_ms=0,
        )

    def failed(self, failure: EgressFailure) -> None:
        self._write(
            outcome=CallbackOutcome(failure.kind.value),
            duration_ms=failure.duration_ms,
            error=self._scrub(failure.message),
        )

    def answered(self, exchange: Exchange) -> None:
        outcome, error = CallbackOutcome.OK, ""
        if self._ignore_reply:
            outcome = CallbackOutcome.IGNORED
        elif not exchange.ok:
            outcome = CallbackOutcome.STATUS
        elif isinstance(flow := _reading(exchange, self._dialect, self._asking), FlowInvalid):
            outcome, error = CallbackOutcome.INVALID, str(flow)
        self._write(
            outcome=outcome,
            error=self._scrub(error),
            duration_ms=exchange.duration_ms,
            status=exchange.status,
            response_headers=_bounded(exchange.headers),
            response_body=self._scrubbed(exchange.body),
        )

    def _scrubbed(self, body: bytes) -> str:
        """The response as text, cut to size only after masking, so that no digits survive at the cut."""
        text = self._scrub(body.decode(errors="replace"))
        return text.encode()[:LOGGED_BYTES].decode(errors="ignore")

    def _write(self, **changes: object) -> None:
        self._log.record(msgspec.structs.replace(self._entry, **changes))


def _reading(exchange: Exchange, dialect: Dialect | None, asking: Asking) -> Flow | FlowInvalid:
    if asking.question.aside and (_is_sound(exchange) or not exchange.body.strip()):
        return Flow()
    return read_flow(exchange.body, exchange.headers.get("content-type", ""), dialect)


def _is_sound(exchange: Exchange) -> bool:
    return exchange.headers.get("content-type", "").lower().startswith(("audio/", "application/ogg"))


def _bounded(headers: Mapping[str, str]) -> dict[str, str]:
    """The first forty headers, each cut to 256 characters."""
    return {name: value[:256] for name, value in list(headers.items())[:40]}


def _shown(asking: Asking) -> Asking:
    """The same question fit for logs."""
    question = asking.question
    if not question.sensitive:
        return asking
    hidden: Question = msgspec.structs.replace(question, digits=masked(question.digits))
    return msgspec.structs.replace(asking, question=hidden)
