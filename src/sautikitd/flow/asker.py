"""Puts a flow's questions to its callbacks: journal, pace, and the fallback after a failure."""

from datetime import datetime
from urllib.parse import urlsplit

import msgspec

from sautikitd.clock import Clock
from sautikitd.flow.callbacks.client import CallbackClient, CallbackFailed, CallbackReply
from sautikitd.flow.callbacks.last_report import send_last_report
from sautikitd.flow.callbacks.log import CallbackOutcome
from sautikitd.flow.callbacks.question import Failure, Method, Question, SessionState
from sautikitd.flow.callbacks.vocabulary import Asking
from sautikitd.flow.context import CallOutcome, Direction, FlowContext
from sautikitd.flow.discretion import Discretion
from sautikitd.flow.journal import EntryKind, FlowEntry, Journal
from sautikitd.flow.pace import AskingPace


class Asker:
    """Asks on behalf of one call. `answered_at` is set by the interpreter when the call is answered."""

    def __init__(
        self,
        context: FlowContext,
        client: CallbackClient,
        journal: Journal,
        clock: Clock,
        discretion: Discretion,
    ) -> None:
        self.answered_at: datetime | None = context.answered_at
        self._context = context
        self._client = client
        self._journal = journal
        self._clock = clock
        self._pace = AskingPace(clock)
        self._discretion = discretion

    def took_time(self) -> None:
        self._pace.took_time()

    async def ask(self, question: Question, url: str | None) -> CallbackReply:
        """The reply from `url` (the question's, resolved), or from the fallback URL.

        Raises `CallbackFailed` when neither gave a flow, `FlowSpinning` when there were too many questions.
        """
        self._pace.asking()
        try:
            if url is None:
                message = f"{question.url} is relative, and there is no URL that it could be relative to"
                raise CallbackFailed(CallbackOutcome.REFUSED, message, url=question.url)
            return await self._ask(msgspec.structs.replace(question, url=url))
        except CallbackFailed as failure:
            self._tell_failure(failure)
            fallback = self._context.fallback_url
            if fallback is None or fallback == failure.url:
                raise
            failed = Failure(url=failure.url, outcome=failure.outcome)
        self._pace.asking()
        self._write(EntryKind.FALLBACK, url=shown_url(fallback))
        instead = msgspec.structs.replace(question, url=fallback, method=Method.POST, failure=failed)
        try:
            return await self._ask(instead)
        except CallbackFailed as failure:
            self._tell_failure(failure)
            raise

    async def consult(self, question: Question, url: str | None) -> CallbackReply | None:
        """What a URL answers that is asked on the side: whatever comes, the flow goes on. None when nothing
        usable came, which is in the journal."""
        if url is None:
            return None
        try:
            return await self._ask(msgspec.structs.replace(question, url=url))
        except CallbackFailed as failure:
            self._tell_failure(failure)
            return None

    async def report_end(self, outcome: CallOutcome) -> None:
        await send_last_report(self._client, self._as_of_now(), outcome, self._discretion.scrub)

    def _as_of_now(self) -> FlowContext:
        return msgspec.structs.replace(self._context, answered_at=self.answered_at)

    async def _ask(self, question: Question) -> CallbackReply:
        state = question.state or self._state()
        self._write(EntryKind.ASKED, url=shown_url(question.url), state=state.value)
        reply = await self._client.ask(
            Asking(
                context=self._as_of_now(),
                question=question,
                state=state,
                duration_seconds=self._seconds_since_answer(),
            ),
            self._discretion.scrub,
        )
        self._write(
            EntryKind.ANSWERED,
            url=shown_url(reply.url),
            status=reply.status,
            duration_ms=reply.duration_ms,
            facts={"actions": str(len(reply.flow.actions))},
        )
        for warning in reply.flow.warnings:
            self._write(EntryKind.WARNING, pointer=warning.pointer, text=warning.reason)
        return reply

    def _state(self) -> SessionState:
        inbound = self._context.direction is Direction.INBOUND
        return SessionState.RINGING if inbound and self.answered_at is None else SessionState.ANSWERED

    def _seconds_since_answer(self) -> int:
        if self.answered_at is None:
            return 0
        return max(0, int((self._clock.now() - self.answered_at).total_seconds()))

    def _tell_failure(self, failure: CallbackFailed) -> None:
        self._write(
            EntryKind.FAILED,
            url=shown_url(failure.url),
            outcome=failure.outcome.value,
            status=failure.status,
            duration_ms=failure.duration_ms,
            text=failure.message[:300],
        )
        for problem in failure.problems:
            hint = f" (did you mean {problem.suggestion}?)" if problem.suggestion else ""
            self._write(
                EntryKind.INVALID,
                pointer=problem.pointer,
                text=problem.reason + hint,
                outcome=problem.code.value,
            )

    def _write(self, kind: EntryKind, **fields: object) -> None:
        entry = FlowEntry(kind=kind, at=self._clock.now())
        self._journal.write(msgspec.structs.replace(entry, **fields))


def shown_url(url: str) -> str:
    """Without its query, which may hold what a caller has typed; the callback log has the whole URL."""
    return urlsplit(url)._replace(query="", fragment="").geturl()[:500]
