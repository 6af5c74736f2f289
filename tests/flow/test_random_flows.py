"""Flows of all verbs with any of their fields, in JSON and both XML dialects: never a crash, a hang, or a call without
an end."""

import asyncio
from collections.abc import Sequence
from typing import Any

import pytest
from aiohttp import web
from hypothesis import HealthCheck, given, seed, settings
from hypothesis import strategies as st

from flow.doubles import Story, a_client, a_context, callback_server
from flow.fickle_engine import FickleEngine
from flow.random_flows import actions, documents, odd_actions
from sautikitd.clock import ManualClock
from sautikitd.flow.context import Direction
from sautikitd.flow.document import Flow, FlowInvalid
from sautikitd.flow.interpreter import FlowRunner
from sautikitd.flow.journal import EntryKind
from sautikitd.flow.reader import read_flow
from sautikitd.flow.verbs.registry import VERBS
from sautikitd.flow.xml.element import Dialect

STUCK_AFTER_S = 20  # of real time, for a call of milliseconds
MOST_QUESTIONS = 1100  # 100 in any minute of a call of ten, and those of wait URLs

BOUNDED = settings(
    max_examples=40,
    deadline=None,
    database=None,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large],
)


async def live(
    replies: Sequence[web.Response | list[object]], number: int, *, inbound: bool, inline: object
) -> Story:
    """One call from its first question to its end, checked."""
    clock, story = ManualClock(), Story()
    engine = FickleEngine(number, clock, answered=not inbound)
    flow = read_flow({"actions": inline}) if inline is not None else None
    async with (
        callback_server(voice=list(replies), menu=list(replies)) as server,
        a_client(story, clock) as client,
    ):
        context = a_context(
            direction=Direction.INBOUND if inbound else Direction.OUTBOUND,
            voice_callback_url=server.url("/voice"),
            actions=flow if isinstance(flow, Flow) else None,
        )
        runner = FlowRunner(
            engine, context, client, story, clock=clock, dialler=engine, streamer=engine, rooms=engine
        )
        async with asyncio.timeout(STUCK_AFTER_S):
            cause = await runner.run()
        assert len(server.asked) <= MOST_QUESTIONS
    assert engine.over is not None, "the flow is over and the call is not"
    assert cause == engine.over
    started, ended = story.of(EntryKind.STARTED), story.of(EntryKind.ENDED)
    assert [entry.verb for entry in started] == [entry.verb for entry in ended]
    assert not [entry for entry in ended if entry.outcome == "failed"]
    return story


@seed(20261124)
@given(
    replies=st.lists(st.lists(actions(), max_size=6), min_size=1, max_size=4),
    number=st.integers(0, 2**32),
    inbound=st.booleans(),
    inline=st.none() | st.lists(actions(), max_size=6),
)
@BOUNDED
def test_every_flow_in_json_ends(
    replies: list[list[object]], number: int, inbound: bool, inline: list[object] | None
) -> None:
    asyncio.run(live(replies, number, inbound=inbound, inline=inline))


@pytest.mark.parametrize("verb", sorted(VERBS))
@seed(20261129)
@given(data=st.data(), number=st.integers(0, 2**32), inbound=st.booleans())
@settings(BOUNDED, max_examples=3)
def test_every_verb_ends(verb: str, data: st.DataObject, number: int, inbound: bool) -> None:
    flow = [data.draw(actions(verb)), data.draw(actions())]
    story = asyncio.run(live([[]], number, inbound=inbound, inline=flow))
    assert story.of(EntryKind.STARTED)[0].verb == verb


@seed(20261125)
@given(
    replies=st.lists(documents(Dialect.TWILIO) | documents(Dialect.AFRICASTALKING), min_size=1, max_size=4),
    number=st.integers(0, 2**32),
    inbound=st.booleans(),
)
@BOUNDED
def test_every_flow_in_xml_ends(replies: list[str], number: int, inbound: bool) -> None:
    def answers(text: str) -> Any:
        async def answer(_: object) -> web.Response:
            return web.Response(text=text, content_type="application/xml")

        return answer

    asyncio.run(live([answers(reply) for reply in replies], number, inbound=inbound, inline=None))


@seed(20261126)
@given(st.lists(actions(), max_size=6))
@settings(BOUNDED, max_examples=60)
def test_what_is_written_as_the_schema_says_is_read(wanted: list[object]) -> None:
    flow = read_flow({"actions": wanted})
    assert isinstance(flow, Flow), flow
    assert len(flow.actions) == len(wanted)


@seed(20261127)
@given(st.lists(odd_actions(), min_size=1, max_size=4))
@settings(BOUNDED, max_examples=60)
def test_what_is_odd_is_refused_at_its_place_or_read(wanted: list[object]) -> None:
    flow = read_flow({"actions": wanted})
    if isinstance(flow, FlowInvalid):
        assert flow.problems
        assert all(problem.pointer.startswith("/actions/") and problem.reason for problem in flow.problems)


@seed(20261128)
@given(st.sampled_from(Dialect), st.data())
@settings(BOUNDED, max_examples=60)
def test_a_document_of_either_dialect_is_read_or_refused_at_its_place(
    dialect: Dialect, data: st.DataObject
) -> None:
    flow = read_flow(data.draw(documents(dialect)).encode(), "application/xml", dialect)
    if isinstance(flow, FlowInvalid):
        assert all(problem.pointer.startswith("/Response") and problem.reason for problem in flow.problems)
