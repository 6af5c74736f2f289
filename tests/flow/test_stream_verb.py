"""`stream` and `stopStream`, with streams that only write down what they are asked."""

import pytest

from flow.doubles import ScriptedLeg, Story, a_client, a_context, a_flow, callback_server
from sautikitd.clock import ManualClock
from sautikitd.flow.context import Direction, FlowContext
from sautikitd.flow.document import FlowInvalid
from sautikitd.flow.interpreter import FlowRunner
from sautikitd.flow.journal import EntryKind
from sautikitd.flow.reader import read_flow
from sautikitd.flow.streams import Streamed, StreamEnd, StreamEvent, StreamProtocol, StreamSpec, StreamTrack

OVER = Streamed(stream_id="s1", end=StreamEnd.CLOSED, duration_s=9)
BROKEN = Streamed(stream_id="s1", end=StreamEnd.FAILED, error="no answer", warnings=("the stream failed",))
URL = "wss://bot.test/talk?k=v"


class ScriptedStreams:
    def __init__(self, outcome: Streamed = OVER) -> None:
        self.asked: list[tuple[str, StreamSpec | str]] = []
        self._outcome = outcome

    async def connect(self, spec: StreamSpec) -> Streamed:
        self.asked.append(("connect", spec))
        return self._outcome

    async def begin(self, spec: StreamSpec) -> str | None:
        self.asked.append(("begin", spec))
        return "a stream called that is running" if spec.name == "taken" else None

    async def stop(self, name: str) -> int:
        self.asked.append(("stop", name))
        return 1


async def _run(
    context: FlowContext, streams: ScriptedStreams, *, answered: bool = True
) -> tuple[ScriptedLeg, Story]:
    leg, story, clock = ScriptedLeg(answered=answered), Story(), ManualClock()
    async with a_client(story, clock) as client:
        await FlowRunner(leg, context, client, story, clock=clock, streamer=streams).run()
    return leg, story


def _problems(fields: dict[str, object]) -> list[tuple[str, str]]:
    flow = read_flow({"actions": [{"stream": fields}]})
    assert isinstance(flow, FlowInvalid), flow
    return [(problem.pointer, problem.reason) for problem in flow.problems]


async def test_everything_a_stream_says_reaches_the_streamer() -> None:
    streams = ScriptedStreams()
    stream = {
        "url": URL,
        "track": "both_tracks",
        "outputSamplingRate": 16000,
        "bidirectionalSamplingRate": 8000,
        "name": "agent",
        "headerMetadata": {"X-Shop": "duka"},
        "openMetadata": {"customer": {"id": 7}},
        "statusCallback": "https://app.test/status",
        "statusEvents": ["stream-error"],
    }
    await _run(a_context(actions=a_flow({"stream": stream})), streams)
    assert streams.asked == [
        (
            "connect",
            StreamSpec(
                url=URL,
                protocol=StreamProtocol.DRACHTIO,
                track=StreamTrack.BOTH,
                sent_rate=16000,
                played_rate=8000,
                name="agent",
                headers={"X-Shop": "duka"},
                metadata={"customer": {"id": 7}},
                status_callback="https://app.test/status",
                status_events=frozenset({StreamEvent.ERROR}),
            ),
        )
    ]


async def test_a_bare_stream_waits_plays_and_tells_of_everything() -> None:
    streams = ScriptedStreams()
    await _run(a_context(actions=a_flow({"stream": {"url": URL, "outputSamplingRate": 16000}})), streams)
    assert streams.asked == [("connect", StreamSpec(url=URL, sent_rate=16000, played_rate=16000))]


async def test_it_answers_an_inbound_call_and_the_next_verb_runs_after_it() -> None:
    flow = a_flow({"stream": {"url": URL}}, {"say": {"text": "Goodbye."}})
    context = a_context(direction=Direction.INBOUND, actions=flow)
    leg, story = await _run(context, ScriptedStreams(), answered=False)
    assert leg.done == ["answer", "say Goodbye.", "hang_up"]
    assert story.of(EntryKind.ENDED)[0].facts == {"stream": "s1", "end": "closed", "seconds": "9"}
    assert story.of(EntryKind.STARTED)[0].text == "stream to wss://bot.test/talk"


async def test_a_stream_that_fails_is_warned_of_and_the_flow_goes_on() -> None:
    flow = a_flow({"stream": {"url": URL}}, {"say": {"text": "Sorry."}})
    leg, story = await _run(a_context(actions=flow), ScriptedStreams(BROKEN))
    assert leg.done == ["say Sorry.", "hang_up"]
    assert [entry.text for entry in story.of(EntryKind.WARNING)] == ["the stream failed"]


async def test_with_an_action_its_reply_replaces_the_flow() -> None:
    async with callback_server(after=[[{"say": {"text": "How was it?"}}]]) as server:
        stream = {"url": URL, "name": "agent", "action": server.url("/after")}
        flow = a_flow({"stream": stream}, {"say": {"text": "Never."}})
        leg, _ = await _run(a_context(actions=flow), ScriptedStreams())
        form = server.asked[0].form
    assert leg.done[-2:] == ["say How was it?", "hang_up"]
    assert {name: form[name] for name in ("callSessionState", "streamSid", "streamName", "streamEvent")} == {
        "callSessionState": "StreamStopped",
        "streamSid": "s1",
        "streamName": "agent",
        "streamEvent": "stream-stopped",
    }
    assert form["streamDuration"] == "9"


async def test_without_connect_it_runs_beside_the_flow_until_it_is_stopped() -> None:
    streams = ScriptedStreams()
    flow = a_flow(
        {"stream": {"url": URL, "connect": False, "name": "ear", "protocol": "twilio"}},
        {"say": {"text": "Hello."}},
        {"stopStream": {"name": "ear"}},
    )
    leg, _ = await _run(a_context(actions=flow), streams)
    asked = [(kind, what.plays if isinstance(what, StreamSpec) else what) for kind, what in streams.asked]
    assert asked == [("begin", False), ("stop", "ear")]
    assert leg.done == ["say Hello.", "hang_up"]


async def test_a_stream_that_may_not_begin_is_warned_of() -> None:
    flow = a_flow({"stream": {"url": URL, "connect": False, "name": "taken"}})
    _, story = await _run(a_context(actions=flow), ScriptedStreams())
    assert [entry.text for entry in story.of(EntryKind.WARNING)] == ["a stream called that is running"]


async def test_a_relative_status_callback_is_resolved() -> None:
    streams = ScriptedStreams()
    async with callback_server(voice=[[{"stream": {"url": URL, "statusCallback": "status"}}]]) as server:
        await _run(a_context(voice_callback_url=server.url("/voice")), streams)
        spec = streams.asked[0][1]
        assert isinstance(spec, StreamSpec)
        assert spec.status_callback == server.url("/status")


@pytest.mark.parametrize(
    ("fields", "place"),
    [
        ({}, "/actions/0/stream/url"),
        ({"url": "https://bot.test"}, "/actions/0/stream/url"),
        ({"url": "wss://user:pw@bot.test"}, "/actions/0/stream/url"),
        ({"url": URL, "track": "all"}, "/actions/0/stream/track"),
        ({"url": URL, "protocol": "sip"}, "/actions/0/stream/protocol"),
        ({"url": URL, "outputSamplingRate": 24000}, "/actions/0/stream/outputSamplingRate"),
        ({"url": URL, "outputSamplingRate": 12000}, "/actions/0/stream/outputSamplingRate"),
        ({"url": URL, "statusEvents": "stream-started stream-ended"}, "/actions/0/stream/statusEvents"),
        ({"url": URL, "headerMetadata": {"Host": "x"}}, "/actions/0/stream/headerMetadata"),
        ({"url": URL, "headerMetadata": {"X-Sautikit-Signature": "x"}}, "/actions/0/stream/headerMetadata"),
        ({"url": URL, "headerMetadata": {"X-A": "b\r\nX-C: d"}}, "/actions/0/stream/headerMetadata"),
        ({"url": URL, "headerMetadata": "nonsense"}, "/actions/0/stream/headerMetadata"),
        ({"url": URL, "openMetadata": {"a": "x" * 17000}}, "/actions/0/stream/openMetadata"),
        ({"url": URL, "openMetadata": "[1]"}, "/actions/0/stream/openMetadata"),
        ({"url": URL, "statusCallback": "ftp://a"}, "/actions/0/stream/statusCallback"),
    ],
)
def test_a_field_that_makes_no_sense_is_refused_at_its_place(fields: dict[str, object], place: str) -> None:
    assert [pointer for pointer, _ in _problems(fields)] == [place]


def test_another_rate_in_twilios_protocol_is_passed_over() -> None:
    fields = {"url": URL, "protocol": "twilio", "outputSamplingRate": 16000}
    flow = read_flow({"actions": [{"stream": fields}]})
    assert not isinstance(flow, FlowInvalid)
    assert [warning.pointer for warning in flow.warnings] == ["/actions/0/stream/outputSamplingRate"]
