"""Calls asked about in the vocabularies of vendors: a runner over real HTTP, and what their tests have in common."""

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from uuid import UUID

import msgspec
from aiohttp import web

from flow.doubles import (
    SECRET,
    Answer,
    Asked,
    CallbackServer,
    NoNames,
    ScriptedLeg,
    Story,
    a_context,
)
from sautikitd.clock import Clock, SystemClock
from sautikitd.egress.client import EgressClient
from sautikitd.egress.guard import EgressGuard
from sautikitd.flow.callbacks.client import CallbackClient
from sautikitd.flow.callbacks.formats import vocabulary_of
from sautikitd.flow.callbacks.question import Question, SessionState
from sautikitd.flow.callbacks.vocabulary import Asking
from sautikitd.flow.context import CallbackFormat, CallOutcome, FlowContext
from sautikitd.flow.interpreter import FlowRunner

CLOCK: Clock = SystemClock()
CALL = UUID("01890a5d-ac96-774b-bcce-b302099a8057")
RECORDING = UUID("01890a5d-1111-774b-bcce-b302099a8057")
WORKSPACE = UUID("01890a5d-0000-774b-bcce-b302099a8057")
OLDER_SECRET = "whsec_OTg3NjU0MzIxMDk4NzY1NDMyMTA5ODc2NTQzMjEwOTg="


@asynccontextmanager
async def a_runner(
    leg: ScriptedLeg, context: FlowContext, secrets: Sequence[str] = (SECRET,)
) -> AsyncIterator[tuple[FlowRunner, Story]]:
    async def valid() -> Sequence[str]:
        return secrets

    story = Story()
    async with EgressClient(EgressGuard(allow_private=True, lookup=NoNames())) as egress:
        client = CallbackClient(
            egress,
            vocabulary=vocabulary_of(context.callback_format),
            secrets=valid,
            log=story,
            live=True,
            clock=CLOCK,
        )
        yield FlowRunner(leg, context, client, story, clock=CLOCK), story


def a_call(server: CallbackServer, wanted: CallbackFormat, **changes: object) -> FlowContext:
    context = a_context(
        call_id=CALL,
        workspace_id=WORKSPACE,
        callback_format=wanted,
        voice_callback_url=server.url("/voice"),
        started_at=datetime(2026, 11, 23, 18, 4, 5, tzinfo=UTC),
    )
    return msgspec.structs.replace(context, **changes)


def xml(text: str) -> Answer:
    """An answer that may be given more than once."""

    async def answer(asked: Asked) -> web.StreamResponse:
        return web.Response(text=text, content_type="text/xml")

    return answer


def address_of(server: CallbackServer, asked: Asked) -> str:
    return server.url(asked.path) + (f"?{asked.raw_query}" if asked.raw_query else "")


def ended(outcome: CallOutcome, wanted: CallbackFormat) -> Asking:
    context = a_context(callback_format=wanted)
    question = Question(url="https://e.test/")
    return Asking(context=context, question=question, state=SessionState.COMPLETED, outcome=outcome)
