"""`dial`, with a dialler that only writes down what it is asked."""

from datetime import UTC, datetime
from uuid import UUID

import pytest

from flow.doubles import ScriptedLeg, Story, a_client, a_context, a_flow, callback_server
from sautikitd.clock import ManualClock
from sautikitd.flow.context import Direction, FlowContext
from sautikitd.flow.document import FlowInvalid
from sautikitd.flow.interpreter import FlowRunner
from sautikitd.flow.journal import EntryKind
from sautikitd.flow.port import Audio, Dialled, DialRecording, DialSpec, DialStatus, LegGone, Say, Tone
from sautikitd.flow.reader import read_flow

FORWARDED_TO = "+254711000009"
ANSWERED = Dialled(
    status=DialStatus.COMPLETED,
    cause="normal_clearing",
    duration_s=37,
    answered_at=datetime(2026, 11, 23, 12, tzinfo=UTC),
    call_id=UUID(int=5),
    session_id="HD_0a8d5911d056",
    number="+254711000002",
    recording_id=UUID(int=7),
)
NOBODY = Dialled(status=DialStatus.NO_ANSWER, cause="no_answer", warnings=("nothing was whispered",))


class ScriptedDialler:
    """Answers an unanswered leg when its target answers, as the real one does."""

    def __init__(self, leg: ScriptedLeg, outcome: Dialled | None) -> None:
        self.asked: list[tuple[DialSpec, bool]] = []
        self._leg = leg
        self._outcome = outcome

    @property
    def last(self) -> Dialled | None:
        return self._outcome if self.asked else None

    async def dial(self, spec: DialSpec) -> Dialled:
        self.asked.append((spec, self._leg.answered))
        if self._outcome is None:
            raise LegGone("normal_clearing")
        if self._outcome.status is DialStatus.COMPLETED and not self._leg.answered:
            await self._leg.answer()
        return self._outcome


async def _run(
    context: FlowContext, outcome: Dialled | None, *, answered: bool = True
) -> tuple[ScriptedLeg, ScriptedDialler, Story]:
    leg, story, clock = ScriptedLeg(answered=answered), Story(), ManualClock()
    dialler = ScriptedDialler(leg, outcome)
    async with a_client(story, clock) as client:
        await FlowRunner(leg, context, client, story, clock=clock, dialler=dialler).run()
    return leg, dialler, story


async def test_everything_a_dial_says_reaches_the_dialler() -> None:
    dial = {
        "numbers": ["+254711000001", "0711 000 002"],
        "callerId": "+254207650100",
        "timeout": 12,
        "sequential": True,
        "record": "record-from-ringing",
        "maxDuration": 90,
        "ringTone": "https://app.test/ring.mp3",
        "whisper": [{"say": {"text": "A customer.", "loop": 2}}],
    }
    _, dialler, _ = await _run(a_context(actions=a_flow({"dial": dial})), ANSWERED)

    assert dialler.asked[0][0] == DialSpec(
        numbers=("+254711000001", "0711 000 002"),
        caller_id="+254207650100",
        timeout_s=12,
        sequential=True,
        record=DialRecording.FROM_RINGING,
        max_duration_s=90,
        ring_tone=(Audio(url="https://app.test/ring.mp3"),),
        whisper=(Say(text="A customer."), Say(text="A customer.")),
    )


async def test_a_plain_dial_rings_for_half_a_minute_with_our_own_tone_and_no_recording() -> None:
    _, dialler, _ = await _run(a_context(actions=a_flow({"dial": {"number": "0711000001"}})), ANSWERED)

    spec = dialler.asked[0][0]
    assert (spec.timeout_s, spec.sequential, spec.record, spec.caller_id) == (30, False, None, None)
    assert isinstance(spec.ring_tone[0], Tone)


@pytest.mark.parametrize(
    ("said", "meant"),
    [
        (True, DialRecording.FROM_ANSWER),
        ("record-from-answer", DialRecording.FROM_ANSWER),
        (False, None),
    ],
)
async def test_record_is_a_switch_or_a_moment(said: object, meant: DialRecording | None) -> None:
    flow = a_flow({"dial": {"number": "0711000001", "record": said}})
    _, dialler, _ = await _run(a_context(actions=flow), ANSWERED)
    assert dialler.asked[0][0].record is meant


@pytest.mark.parametrize(("on_bridge", "answered_first"), [(True, False), (False, True)])
async def test_an_inbound_call_is_answered_before_the_dial_only_when_asked_for(
    on_bridge: bool, answered_first: bool
) -> None:
    flow = a_flow({"dial": {"number": "0711000001", "answerOnBridge": on_bridge}})
    context = a_context(direction=Direction.INBOUND, actions=flow)
    _, dialler, _ = await _run(context, ANSWERED, answered=False)
    assert dialler.asked[0][1] is answered_first


async def test_action_learns_the_outcome_and_its_reply_replaces_the_flow() -> None:
    async with callback_server(after=[[{"say": {"text": "Goodbye"}}]]) as server:
        flow = a_flow(
            {"dial": {"number": "0711000001", "action": server.url("/after")}},
            {"say": {"text": "never said"}},
        )
        leg, _, _ = await _run(a_context(actions=flow), ANSWERED)

    form = server.asked[0].form
    assert form["callSessionState"] == "DialCompleted"
    assert (form["dialStatus"], form["dialDuration"], form["dialBridged"]) == ("completed", "37", "true")
    assert (form["dialNumber"], form["dialSessionId"]) == ("+254711000002", "HD_0a8d5911d056")
    assert form["dialStartTime"] == "2026-11-23T12:00:00.000Z"
    assert form["dialCallId"] == str(UUID(int=5))
    assert form["recordingUrl"] == f"https://api.test/v1/recordings/{UUID(int=7)}"
    assert leg.done == ["say Goodbye", "hang_up"]


async def test_without_action_the_next_verb_runs_whatever_became_of_the_dial() -> None:
    flow = a_flow({"dial": {"number": "0711000001"}}, {"say": {"text": "Nobody there."}})
    leg, _, story = await _run(a_context(actions=flow), NOBODY)

    assert leg.done == ["say Nobody there.", "hang_up"]
    ended = story.of(EntryKind.ENDED)[0]
    assert ended.facts == {"status": "no_answer", "cause": "no_answer", "seconds": "0"}
    assert [entry.text for entry in story.of(EntryKind.WARNING)] == ["nothing was whispered"]


async def test_a_caller_who_hangs_up_during_the_dial_ends_the_flow() -> None:
    flow = a_flow({"dial": {"number": "0711000001"}}, {"say": {"text": "never said"}})
    leg, _, _ = await _run(a_context(actions=flow), None)
    assert leg.done == []


async def test_an_inbound_call_without_callback_and_actions_is_forwarded() -> None:
    context = a_context(direction=Direction.INBOUND, forward_to=FORWARDED_TO)
    leg, dialler, _ = await _run(context, ANSWERED, answered=False)

    spec, answered = dialler.asked[0]
    assert (spec.numbers, answered) == ((FORWARDED_TO,), False)
    assert leg.done == ["answer", "hang_up"]


async def test_actions_go_before_forwarding() -> None:
    context = a_context(
        direction=Direction.INBOUND, forward_to=FORWARDED_TO, actions=a_flow({"say": {"text": "Karibu"}})
    )
    leg, dialler, _ = await _run(context, ANSWERED, answered=False)
    assert (dialler.asked, leg.done) == ([], ["answer", "say Karibu", "hang_up"])


@pytest.mark.parametrize(
    ("dial", "place"),
    [
        ({}, "/actions/0/dial"),
        ({"number": "1", "numbers": ["2"]}, "/actions/0/dial"),
        ({"numbers": []}, "/actions/0/dial/numbers"),
        ({"numbers": ["1"] * 11}, "/actions/0/dial/numbers"),
        ({"numbers": ["1", "client:wanjiru njeri"]}, "/actions/0/dial/numbers/1"),
        ({"numbers": ["sip:agent", "1"]}, "/actions/0/dial/numbers/0"),
        ({"numbers": ["1" * 65]}, "/actions/0/dial/numbers/0"),
        ({"sip": "agent"}, "/actions/0/dial/sip"),
        ({"client": "wanjiru njeri"}, "/actions/0/dial/client"),
        ({"number": "1", "record": "sometimes"}, "/actions/0/dial/record"),
        ({"number": "1", "whisper": [{"hangup": {}}]}, "/actions/0/dial/whisper/0/hangup"),
    ],
)
def test_what_cannot_be_dialled_is_refused_at_its_place(dial: dict[str, object], place: str) -> None:
    flow = read_flow({"actions": [{"dial": dial}]})
    assert isinstance(flow, FlowInvalid)
    assert flow.problems[0].pointer == place


def test_a_country_code_for_the_ring_tone_is_passed_over() -> None:
    flow = a_flow({"dial": {"number": "1", "ringTone": "us"}})
    assert [warning.pointer for warning in flow.warnings] == ["/actions/0/dial/ringTone"]
