import asyncio
from datetime import UTC, datetime

import pytest
from aiohttp import web
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from flow.doubles import ScriptedLeg, Story, a_client, a_context, a_flow, callback_server, run_flow
from flow.flows import valid_actions
from sautikitd.clock import ManualClock, SystemClock
from sautikitd.flow.callbacks.question import Method
from sautikitd.flow.context import Direction
from sautikitd.flow.document import Flow
from sautikitd.flow.interpreter import FlowRunner
from sautikitd.flow.journal import EntryKind
from sautikitd.flow.prompts import StockPrompts

APOLOGY = f"say {StockPrompts().apology.text}"
GREETING = f"say {StockPrompts().greeting.text}"


def say(text: str) -> dict[str, object]:
    return {"say": {"text": text}}


async def done_by(*actions: object, leg: ScriptedLeg | None = None, inbound: bool = False) -> list[str]:
    """What a flow of inline actions without any callback makes the leg do."""
    leg = leg or ScriptedLeg(answered=not inbound)
    direction = Direction.INBOUND if inbound else Direction.OUTBOUND
    await run_flow(leg, a_context(actions=a_flow(*actions), direction=direction), ManualClock())
    return leg.done


async def test_actions_run_in_order_and_then_the_call_is_hung_up() -> None:
    assert await done_by(say("one"), {"pause": {"length": 2}}, say("two")) == [
        "say one",
        "wait 2",
        "say two",
        "hang_up",
    ]


async def test_an_empty_flow_hangs_up() -> None:
    assert await done_by() == ["hang_up"]


async def test_nothing_runs_after_hangup() -> None:
    assert await done_by({"hangup": {}}, say("never")) == ["hang_up"]


async def test_nothing_runs_after_the_far_end_has_gone() -> None:
    leg = ScriptedLeg(patience=2)
    cause, story = await run_flow(leg, a_context(actions=a_flow(say("1"), say("2"), say("3"))), ManualClock())
    assert leg.done == ["say 1", "say 2"]
    assert cause == "far_end"
    assert story.of(EntryKind.ENDED)[-1].outcome == "leg_gone"


async def test_loop_zero_means_once() -> None:
    actions = [{"say": {"text": "a", "loop": 0}}, {"play": {"digits": "1w2", "loop": 3}}]
    assert await done_by(*actions) == ["say a", "digits 1w2 x3", "hang_up"]


@pytest.mark.parametrize(
    "action",
    [say("a"), {"play": {"tone": "busy"}}, {"getDigits": {}}, {"record": {}}, {"answer": {}}],
)
async def test_verbs_that_need_a_caller_answer_an_inbound_call(action: object) -> None:
    assert (await done_by(action, inbound=True))[0] == "answer"


@pytest.mark.parametrize(
    ("action", "done"),
    [
        ({"pause": {"length": 3}}, ["wait 3", "reject"]),
        ({"ring": {"length": 4}}, ["ring", "wait 4", "reject"]),
        ({"reject": {}}, ["reject"]),
        ({"reject": {"reason": "busy"}}, ["reject busy"]),
        ({"hangup": {}}, ["reject"]),
    ],
)
async def test_the_others_leave_an_inbound_call_unanswered(action: object, done: list[str]) -> None:
    assert await done_by(action, inbound=True) == done


async def test_rejecting_or_ringing_an_answered_call_warns() -> None:
    leg = ScriptedLeg()
    _, story = await run_flow(leg, a_context(actions=a_flow({"ring": {}}, {"reject": {}})), ManualClock())
    assert leg.done == ["hang_up"]
    assert [entry.pointer for entry in story.of(EntryKind.WARNING)] == [
        "/actions/0/ring",
        "/actions/1/reject",
    ]


async def test_a_sound_that_cannot_be_had_is_a_warning_not_the_end() -> None:
    leg = ScriptedLeg(broken=["https://example.com/a.mp3"])
    actions = a_flow(
        {"play": {"url": "https://example.com/a.mp3"}}, say("still here"), {"play": {"url": "b.mp3"}}
    )
    _, story = await run_flow(leg, a_context(actions=actions), ManualClock())
    assert leg.done == ["say still here", "hang_up"]
    assert "404" in story.of(EntryKind.WARNING)[0].text
    assert story.of(EntryKind.WARNING)[1].pointer == "/actions/2/play/url"


async def test_without_instructions_an_answered_call_hears_a_greeting() -> None:
    leg = ScriptedLeg()
    await run_flow(leg, a_context(), ManualClock())
    assert leg.done == [GREETING, "hang_up"]


async def test_without_instructions_an_inbound_call_is_rejected() -> None:
    leg = ScriptedLeg(answered=False)
    cause, _ = await run_flow(leg, a_context(direction=Direction.INBOUND), ManualClock())
    assert leg.done == ["reject"]
    assert cause == "rejected"


async def test_get_digits_listens_as_it_is_told_and_hands_on_to_the_next_verb_where_nobody_can_be_asked() -> (
    None
):
    leg = ScriptedLeg(digits=["42"])
    nested = [{"say": {"text": "PIN", "loop": 2}}, {"play": {"tone": "beep"}}]
    actions = {"getDigits": {"numDigits": 4, "timeout": 7, "finishOnKey": "*", "nested": nested}}
    assert await done_by(actions, say("next"), leg=leg) == [
        "collect [say PIN] [say PIN] [tone]",
        "say next",
        "hang_up",
    ]
    assert leg.collected == [{"max": 4, "finish": "*", "timeout": 7}]


async def test_get_digits_without_input_tries_again_and_then_goes_on() -> None:
    leg = ScriptedLeg(digits=["", "", ""])
    async with callback_server(
        voice=[[{"getDigits": {"retries": 2, "nested": [say("key?")]}}, say("none")]]
    ) as server:
        await run_flow(leg, a_context(voice_callback_url=server.url("/voice")), SystemClock())
    assert leg.done == ["collect [say key?]"] * 3 + ["say none", "hang_up"]
    assert len(server.asked) == 1


async def test_get_digits_with_input_asks_the_voice_callback_and_its_reply_replaces_the_flow() -> None:
    first: list[object] = [{"getDigits": {"numDigits": 1}}, say("never")]
    async with callback_server(voice=[first, [say("thanks")]]) as server:
        leg = ScriptedLeg(digits=["5"])
        _, story = await run_flow(leg, a_context(voice_callback_url=server.url("/voice")), SystemClock())
    assert leg.done == ["collect", "say thanks", "hang_up"]
    assert server.asked[0].form["callSessionState"] == "Answered"
    assert "Digits" not in server.asked[0].form
    assert server.asked[1].form["callSessionState"] == "DigitsCollected"
    assert server.asked[1].form["Digits"] == server.asked[1].form["dtmfDigits"] == "5"
    assert [entry.outcome for entry in story.of(EntryKind.ENDED)] == ["replaced", "done", "leg_gone"]


async def test_get_digits_asks_its_action_relative_to_the_url_that_gave_the_flow() -> None:
    async with callback_server(
        ivr__voice=[[{"getDigits": {"action": "menu?x=1"}}]], ivr__menu=[[]]
    ) as server:
        await run_flow(
            ScriptedLeg(digits=["1"]), a_context(voice_callback_url=server.url("/ivr/voice")), SystemClock()
        )
    assert server.asked[1].path == "/ivr/menu"
    assert server.asked[1].form["x"] == "1"


async def test_prompts_that_cannot_be_had_do_not_keep_get_digits_from_listening() -> None:
    leg = ScriptedLeg(digits=["5"], broken=["https://example.com/a.mp3"])
    nested = [{"play": {"url": "https://example.com/a.mp3"}}]
    assert await done_by({"getDigits": {"nested": nested}}, leg=leg) == ["collect", "hang_up"]


async def test_sensitive_digits_are_masked_in_every_log_and_event() -> None:
    reply = [say("you typed 8264."), {"redirect": {"url": "/end?pin=8264"}}]
    actions = a_flow({"getDigits": {"sensitive": True, "action": "/pin"}})
    async with callback_server(pin=[reply], end=[[]]) as server:
        context = a_context(actions=actions, voice_callback_url=server.url("/voice"))
        leg = ScriptedLeg(digits=["8264"])
        _, story = await run_flow(leg, context, SystemClock())
    assert leg.done == ["collect", "say you typed 8264.", "hang_up"]
    assert server.asked[0].form["Digits"] == "8264"
    assert server.asked[1].form["pin"] == "8264"
    assert "8264" not in repr(story.callbacks)
    assert "8264" not in repr(story.entries)
    assert "Digits=****" in story.callbacks[0].request_body


async def test_digits_that_are_not_sensitive_are_told() -> None:
    _, story = await run_flow(
        ScriptedLeg(digits=["12"]), a_context(actions=a_flow({"getDigits": {}})), ManualClock()
    )
    assert story.of(EntryKind.ENDED)[0].facts == {"digits": "12"}


async def test_record_without_action_goes_on_with_the_next_verb() -> None:
    leg = ScriptedLeg()
    assert await done_by({"record": {"maxLength": 9, "timeout": 2, "beep": False}}, say("b"), leg=leg) == [
        "record",
        "say b",
        "hang_up",
    ]
    assert (leg.recorded[0].max_length_s, leg.recorded[0].silence_timeout_s, leg.recorded[0].beep) == (
        9,
        2,
        False,
    )


async def test_record_with_action_reports_the_recording_and_its_reply_replaces_the_flow() -> None:
    actions = a_flow({"record": {"action": "/recorded", "method": "GET"}}, say("never"))
    async with callback_server(recorded=[[say("got it")]]) as server:
        leg = ScriptedLeg()
        await run_flow(
            leg, a_context(actions=actions, voice_callback_url=server.url("/voice")), SystemClock()
        )
    assert leg.done == ["record", "say got it", "hang_up"]
    asked = server.asked[0]
    assert asked.method == "GET"
    assert asked.form["callSessionState"] == "RecordCompleted"
    assert asked.form["recordingUrl"] == "https://api.test/v1/recordings/00000000-0000-0000-0000-000000000007"
    assert asked.form["recordingDuration"] == "3"
    assert asked.form["Digits"] == "#"


async def test_redirect_goes_on_with_what_the_url_answers() -> None:
    async with callback_server(
        voice=[[{"redirect": {"url": "/next"}}, say("never")]], next=[[say("next")]]
    ) as server:
        leg = ScriptedLeg()
        await run_flow(
            leg, a_context(voice_callback_url=server.url("/voice"), voice_method=Method.GET), SystemClock()
        )
    assert leg.done == ["say next", "hang_up"]
    assert [asked.method for asked in server.asked] == ["GET", "POST"]


async def test_an_inbound_call_rings_until_a_verb_answers_it() -> None:
    answers: list[object] = [{"redirect": {"url": "/voice"}}]
    async with callback_server(voice=[answers, [say("a"), {"redirect": {"url": "/voice"}}], []]) as server:
        leg = ScriptedLeg(answered=False)
        context = a_context(direction=Direction.INBOUND, voice_callback_url=server.url("/voice"))
        await run_flow(leg, context, SystemClock())
    assert leg.done == ["answer", "say a", "hang_up"]
    assert [asked.form["callSessionState"] for asked in server.asked] == ["Ringing", "Ringing", "Answered"]


@pytest.mark.parametrize("inline", [True, False])
async def test_redirects_that_only_lead_on_are_stopped(inline: bool) -> None:
    async with callback_server(voice=[[{"redirect": {"url": "/voice"}}]]) as server:
        leg = ScriptedLeg()
        actions = a_flow({"redirect": {"url": "/voice"}}) if inline else None
        context = a_context(voice_callback_url=server.url("/voice"), actions=actions)
        _, story = await run_flow(leg, context, SystemClock())
    assert len(server.asked) == 20
    assert leg.done == [APOLOGY, "hang_up"]
    assert "20 callbacks in a row" in story.of(EntryKind.APOLOGY)[0].text


async def test_more_than_a_hundred_callbacks_a_minute_are_stopped() -> None:
    async with callback_server(voice=[[{"pause": {}}, {"redirect": {"url": "/voice"}}]]) as server:
        leg = ScriptedLeg()
        await run_flow(leg, a_context(voice_callback_url=server.url("/voice")), ManualClock())
    assert len(server.asked) == 100
    assert leg.done[-2:] == [APOLOGY, "hang_up"]


async def test_a_relative_url_with_nothing_to_be_relative_to_ends_in_an_apology() -> None:
    assert await done_by({"redirect": {"url": "/next"}}) == [APOLOGY, "hang_up"]


async def test_an_invalid_reply_is_told_with_its_place_and_the_fallback_is_asked_once() -> None:
    async with callback_server(voice=[[{"sayy": {}}]], fallback=[[say("fallback")]]) as server:
        leg = ScriptedLeg()
        context = a_context(voice_callback_url=server.url("/voice"), fallback_url=server.url("/fallback"))
        _, story = await run_flow(leg, context, SystemClock())
    assert leg.done == ["say fallback", "hang_up"]
    invalid = story.of(EntryKind.INVALID)[0]
    assert (invalid.pointer, invalid.text) == ("/actions/0/sayy", "unknown verb 'sayy' (did you mean say?)")
    assert story.kinds()[:6] == [
        "flow.asked",
        "flow.failed",
        "flow.invalid",
        "flow.fallback",
        "flow.asked",
        "flow.answered",
    ]


async def test_when_the_fallback_fails_too_an_apology_is_spoken() -> None:
    async with callback_server(voice=[web.Response(status=500)]) as server:
        leg = ScriptedLeg(answered=False)
        context = a_context(
            direction=Direction.INBOUND,
            voice_callback_url=server.url("/voice"),
            fallback_url=server.url("/missing"),
        )
        _, story = await run_flow(leg, context, SystemClock())
    assert [asked.path for asked in server.asked] == ["/voice", "/missing"]
    assert leg.done == ["answer", APOLOGY, "hang_up"]
    assert story.kinds()[-1] == "flow.apology"


async def test_the_story_says_what_was_asked_answered_and_run() -> None:
    async with callback_server(voice=[[{"say": {"text": "hi", "voice": "robot"}}]]) as server:
        _, story = await run_flow(
            ScriptedLeg(), a_context(voice_callback_url=server.url("/voice?k=1")), SystemClock()
        )
    assert story.kinds() == [
        "flow.asked",
        "flow.answered",
        "flow.warning",
        "flow.verb_started",
        "flow.verb_ended",
        "flow.verb_started",
        "flow.verb_ended",
    ]
    asked, _, warning, started, ended, *_ = story.entries
    assert (asked.url, asked.state) == (server.url("/voice"), "Answered")
    assert warning.pointer == "/actions/0/say/voice"
    assert (started.verb, started.position, started.text) == ("say", 0, "say (en-KE) hi")
    assert (ended.verb, ended.position, ended.outcome, ended.duration_ms) == ("say", 0, "done", 0)


async def test_nobody_is_asked_on_behalf_of_a_call_that_has_ended() -> None:
    leg = ScriptedLeg(answered=False)

    async def hang_up_meanwhile(asked: object) -> web.StreamResponse:
        leg.go()
        return web.json_response({"actions": [{"redirect": {"url": "/voice"}}]})

    async with callback_server(voice=[hang_up_meanwhile]) as server:
        context = a_context(direction=Direction.INBOUND, voice_callback_url=server.url("/voice"))
        cause, _ = await run_flow(leg, context, SystemClock())
    assert cause == "far_end"
    assert len(server.asked) == 1


class _FaultyLeg(ScriptedLeg):
    async def play(self, prompts: object, *, loop: int = 1) -> None:
        raise RuntimeError("a bug")


async def test_a_fault_of_ours_ends_the_call_and_comes_to_light() -> None:
    leg = _FaultyLeg()
    with pytest.raises(RuntimeError, match="a bug"):
        await run_flow(leg, a_context(actions=a_flow(say("a"))), ManualClock())
    assert leg.done == ["hang_up"]


class _EndlessLeg(ScriptedLeg):
    """Its speech never ends; `speaking` says when it has begun."""

    def __init__(self) -> None:
        super().__init__()
        self.speaking = asyncio.Event()

    async def play(self, prompts: object, *, loop: int = 1) -> None:
        self.speaking.set()
        await asyncio.Event().wait()


async def test_cancelling_stops_the_flow_and_leaves_the_leg() -> None:
    leg, story = _EndlessLeg(), Story()
    async with a_client(story, ManualClock()) as client:
        runner = FlowRunner(leg, a_context(actions=a_flow(say("on and on"), say("b"))), client, story)
        task = asyncio.create_task(runner.run())
        await leg.speaking.wait()
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        assert leg.done == []
        assert story.of(EntryKind.ENDED)[0].outcome == "stopped"
        assert runner.state is not None
        assert len(runner.state.remaining) == 1

        rest = ScriptedLeg()
        await FlowRunner(rest, a_context(), client, story, state=runner.state).run()
    assert rest.done == ["say b", "hang_up"]


async def test_duration_counts_from_the_answer() -> None:
    async with callback_server(voice=[[]]) as server:
        context = a_context(
            voice_callback_url=server.url("/voice"), answered_at=datetime(2026, 11, 23, 8, 59, 30, tzinfo=UTC)
        )
        await run_flow(ScriptedLeg(), context, ManualClock(datetime(2026, 11, 23, 9, 0, tzinfo=UTC)))
    assert server.asked[0].form["durationInSeconds"] == "30"


@given(
    replies=st.lists(st.lists(valid_actions, max_size=5), min_size=1, max_size=4),
    digits=st.lists(st.sampled_from(["", "1", "4711"]), max_size=10),
    inbound=st.booleans(),
    inline=st.booleans(),
    patience=st.integers(1, 60),
)
@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.too_slow])
def test_every_valid_flow_ends(
    replies: list[list[object]], digits: list[str], inbound: bool, inline: bool, patience: int
) -> None:
    async def run() -> None:
        async with callback_server(voice=list(replies)) as server:
            leg = ScriptedLeg(answered=not inbound, digits=digits, patience=patience)
            flow: Flow | None = a_flow(*replies[0]) if inline else None
            direction = Direction.INBOUND if inbound else Direction.OUTBOUND
            context = a_context(direction=direction, actions=flow, voice_callback_url=server.url("/voice"))
            cause, story = await run_flow(leg, context, ManualClock())
        assert cause in {"normal", "rejected", "far_end"}
        assert len(story.of(EntryKind.STARTED)) == len(story.of(EntryKind.ENDED))
        assert len(server.asked) <= 101

    asyncio.run(run())
