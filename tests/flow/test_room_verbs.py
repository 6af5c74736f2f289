"""`conference`, `enqueue` and `dequeue` in a flow: what they ask of the node, and what their callbacks are told."""

from collections.abc import AsyncIterator, Mapping
from typing import Any

import pytest

from flow.doubles import (
    CallbackServer,
    NoNames,
    ScriptedLeg,
    Story,
    a_context,
    a_flow,
    callback_server,
    valid_secrets,
)
from sautikitd.clock import ManualClock
from sautikitd.egress.client import EgressClient
from sautikitd.egress.guard import EgressGuard
from sautikitd.flow.callbacks.client import CallbackClient
from sautikitd.flow.callbacks.formats import vocabulary_of
from sautikitd.flow.context import CallbackFormat
from sautikitd.flow.hold_music import HOLD_MUSIC
from sautikitd.flow.interpreter import FlowRunner
from sautikitd.flow.port import Audio, Silence, Tone
from sautikitd.flow.reader import read_actions
from sautikitd.flow.rooms_port import (
    Attended,
    AttendEnd,
    BeepOn,
    ConferenceSpec,
    Dequeued,
    NoRooms,
    OnDigits,
    QueueLeft,
    Sound,
    Sounds,
)
from sautikitd.ids import uuid7

PRESSED = "4711"


class ScriptedRooms:
    """Keeps what was asked, listens to one round of the waiting sound, and presses keys in conferences."""

    def __init__(self, facts: Mapping[str, str] | None = None) -> None:
        self.specs: list[ConferenceSpec] = []
        self.heard: list[Sound] = []
        self.queued: list[tuple[str, int | None, int]] = []
        self.left_by_keys = False
        self.agent = uuid7()
        self._facts = facts or {}

    async def attend(self, spec: ConferenceSpec, sounds: Sounds, on_digits: OnDigits) -> Attended:
        self.specs.append(spec)
        self.heard.append(await sounds.next(self._facts))
        if spec.num_digits is not None:
            self.left_by_keys = await on_digits(PRESSED)
        return Attended(end=AttendEnd.ENDED, seconds=9, conference_id=self.agent)

    async def enqueue(self, name: str, *, most: int | None, longest_s: int, sounds: Sounds) -> QueueLeft:
        self.queued.append((name, most, longest_s))
        self.heard.append(await sounds.next(self._facts))
        return QueueLeft(
            result="bridged", wait_seconds=12, talk_seconds=30, queue_id=self.agent, taken_by=self.agent
        )

    async def dequeue(self, name: str, *, longest_s: int, sounds: Sounds) -> Dequeued:
        self.queued.append((name, None, longest_s))
        return Dequeued(call_id=self.agent, wait_seconds=12, talk_seconds=30)


async def _run(rooms: Any, *actions: object, **context: Any) -> Story:
    story, clock = Story(), ManualClock()
    facts = a_context(actions=a_flow(*actions), **context)
    async with EgressClient(EgressGuard(allow_private=True, lookup=NoNames())) as egress:
        client = CallbackClient(
            egress,
            vocabulary=vocabulary_of(facts.callback_format),
            secrets=valid_secrets,
            log=story,
            live=False,
            clock=clock,
        )
        await FlowRunner(ScriptedLeg(), facts, client, story, clock=clock, rooms=rooms).run()
    return story


@pytest.fixture
async def server() -> AsyncIterator[CallbackServer]:
    async with callback_server(after=[[]], keys=[[]], wait=[[{"play": {"tone": "dial"}}]]) as made:
        yield made


async def test_a_conference_asks_for_all_of_its_fields(server: CallbackServer) -> None:
    rooms = ScriptedRooms()
    await _run(
        rooms,
        {
            "conference": {
                "name": "board",
                "maxParticipants": 5,
                "record": True,
                "beep": "onExit",
                "muted": True,
                "startOnEnter": False,
                "endOnExit": True,
                "coach": "HD_0f3a9c21b7de",
                "statusEvents": "start, end",
                "statusEventsCallbackUrl": "https://example.co.ke/status",
                "waitUrl": "",
                "numDigits": 4,
            }
        },
    )
    assert rooms.specs == [
        ConferenceSpec(
            name="board",
            most=5,
            record=True,
            beep=BeepOn.EXIT,
            muted=True,
            starts=False,
            ends=True,
            coach="HD_0f3a9c21b7de",
            status_url="https://example.co.ke/status",
            status_events=("start", "end"),
        )
    ]
    assert rooms.heard == [Sound(prompts=())]


async def test_without_a_wait_url_there_is_music_and_with_a_sound_file_that_is_played() -> None:
    rooms = ScriptedRooms()
    music = {"conference": {"name": "a"}}
    await _run(rooms, music, {"enqueue": {"name": "b", "waitUrl": "https://example.co.ke/hold.MP3?x=1"}})
    assert [sound.prompts for sound in rooms.heard] == [
        HOLD_MUSIC,
        (Audio(url="https://example.co.ke/hold.MP3?x=1"),),
    ]


async def test_a_wait_url_is_told_the_position_in_the_words_of_the_vocabulary(server: CallbackServer) -> None:
    queued = {"enqueue": {"name": "support", "waitUrl": server.url("/wait")}}
    facts = {"queuePosition": "3", "currentQueueSize": "7", "averageQueueTime": "40", "queueTime": "12"}
    rooms = ScriptedRooms(facts)
    await _run(rooms, queued)
    await _run(rooms, queued, callback_format=CallbackFormat.TWILIO)
    ours, theirs = [one.form for one in server.asked]
    assert facts.items() <= ours.items()
    assert {
        "QueuePosition": "3",
        "CurrentQueueSize": "7",
        "AvgQueueTime": "40",
        "QueueTime": "12",
    }.items() <= (theirs.items())
    assert isinstance(rooms.heard[0].prompts[0], Tone)


async def test_a_wait_url_that_fails_or_says_what_nobody_can_hear_is_told_once_and_the_flow_goes_on() -> None:
    async with callback_server(wait=[[{"record": {}}, {"pause": {"length": 2}}]]) as server:
        rooms = ScriptedRooms()
        story = await _run(rooms, {"enqueue": {"name": "a", "waitUrl": server.url("/wait")}})
        broken = await _run(rooms, {"enqueue": {"name": "a", "waitUrl": server.url("/nothing-here")}})
    assert rooms.heard[0].prompts == (Silence(duration_ms=2000),)
    assert rooms.heard[1].prompts == HOLD_MUSIC
    assert "flow.warning" in story.kinds()
    assert "flow.warning" in broken.kinds()


async def test_keys_pressed_in_a_conference_are_posted_and_an_empty_reply_leaves_him_there(
    server: CallbackServer,
) -> None:
    rooms = ScriptedRooms()
    keys = {"collectDigits": True, "numDigits": 4, "digitsCallbackUrl": server.url("/keys")}
    await _run(rooms, {"conference": {"name": "board", **keys}})
    form = server.asked[-1].form
    assert (form["Digits"], form["callSessionState"], form["conferenceName"]) == (
        PRESSED,
        "DigitsCollected",
        "board",
    )
    assert not rooms.left_by_keys


async def test_the_action_of_enqueue_is_told_how_it_ended(server: CallbackServer) -> None:
    rooms = ScriptedRooms()
    fields = {"action": server.url("/after"), "maxSize": 5, "maxWait": 60}
    await _run(rooms, {"enqueue": {"name": "support", **fields}})
    form = server.asked[-1].form
    assert rooms.queued == [("support", 5, 60)]
    assert (form["callSessionState"], form["queueResult"], form["queueTime"]) == (
        "QueueLeft",
        "bridged",
        "12",
    )
    assert (form["queueName"], form["dialCallId"], form["dialDuration"]) == (
        "support",
        str(rooms.agent),
        "30",
    )


async def test_the_action_of_dequeue_is_told_as_after_a_dial(server: CallbackServer) -> None:
    rooms = ScriptedRooms()
    await _run(rooms, {"dequeue": {"name": "support", "action": server.url("/after"), "maxWait": 0}})
    form = server.asked[-1].form
    assert (form["callSessionState"], form["dialStatus"], form["dialCallId"]) == (
        "DialCompleted",
        "completed",
        str(rooms.agent),
    )
    assert rooms.queued == [("support", None, 0)]


async def test_on_an_engine_without_rooms_the_flow_goes_on_with_a_warning() -> None:
    story = await _run(NoRooms(), {"conference": {"name": "board"}}, {"dequeue": {"name": "support"}})
    assert "flow.warning" in story.kinds()
    assert [entry.verb for entry in story.entries if entry.kind.value == "flow.verb_ended"] == [
        *("conference", "dequeue", "hangup")
    ]


@pytest.mark.parametrize(
    ("verb", "fields", "pointer"),
    [
        ("conference", {}, "/name"),
        ("conference", {"name": ""}, "/name"),
        ("conference", {"name": "a", "maxParticipants": 251}, "/maxParticipants"),
        ("conference", {"name": "a", "beep": "loud"}, "/beep"),
        ("conference", {"name": "a", "waitUrl": "ftp://example.co.ke/x"}, "/waitUrl"),
        ("conference", {"name": "a", "statusEventsCallbackUrl": "ftp://a.b/"}, "/statusEventsCallbackUrl"),
        ("conference", {"name": "a", "finishOnKey": "x"}, "/finishOnKey"),
        ("enqueue", {}, "/name"),
        ("enqueue", {"name": "a", "maxSize": 0}, "/maxSize"),
        ("enqueue", {"name": "a", "maxWait": 0}, "/maxWait"),
        ("dequeue", {"name": "a", "maxWait": -1}, "/maxWait"),
    ],
)
def test_a_wrong_field_is_named(verb: str, fields: dict[str, object], pointer: str) -> None:
    flow = read_actions([{verb: fields}])
    assert [problem.pointer for problem in getattr(flow, "problems", [])] == [f"/actions/0/{verb}{pointer}"]
