"""`transfer`, with a dialler that only writes down what it is asked."""

from typing import Any

import pytest

from flow.doubles import a_context, a_flow, callback_server
from flow.test_dial_verb import ANSWERED, NOBODY, _run
from sautikitd.flow.document import FlowInvalid
from sautikitd.flow.hold_music import HOLD_MUSIC
from sautikitd.flow.port import Audio, Say
from sautikitd.flow.reader import read_flow

TO = "+254711000002"
AFTER: dict[str, object] = {"say": {"text": "Still here."}}


def _transfer(**fields: Any) -> dict[str, object]:
    return {"transfer": {"to": TO, **fields}}


async def test_a_blind_transfer_rings_at_the_caller_and_asks_nobody_to_accept() -> None:
    _, dialler, _ = await _run(a_context(actions=a_flow(_transfer(callerId="0711 000 009"))), ANSWERED)
    ((spec, _),) = dialler.asked
    assert (spec.numbers, spec.accept_key, spec.whisper, spec.caller_id) == ((TO,), "", (), "0711 000 009")


async def test_an_attended_one_answers_plays_music_and_wants_a_key() -> None:
    flow = a_flow(_transfer(mode="attended", timeout=20))
    leg, dialler, _ = await _run(a_context(actions=flow, direction="inbound"), ANSWERED, answered=False)
    ((spec, answered),) = dialler.asked
    assert (answered, spec.accept_key, spec.ring_tone, spec.timeout_s) == (True, "1", HOLD_MUSIC, 20)
    assert isinstance(spec.whisper[0], Say)
    assert leg.done[0] == "answer"


async def test_music_and_announcement_may_be_the_flows_own() -> None:
    own = {"holdUrl": "https://a.example/hold.mp3", "whisper": [{"say": {"text": "Karibu."}}]}
    _, dialler, _ = await _run(a_context(actions=a_flow(_transfer(mode="attended", **own))), ANSWERED)
    ((spec, _),) = dialler.asked
    assert spec.ring_tone == (Audio(url="https://a.example/hold.mp3"),)
    assert spec.whisper == (Say(text="Karibu."),)


@pytest.mark.parametrize(
    ("mode", "outcome", "goes_on"),
    [
        ("blind", ANSWERED, False),
        ("blind", NOBODY, True),
        ("attended", ANSWERED, True),
        ("attended", NOBODY, True),
    ],
)
async def test_only_a_blind_transfer_that_succeeded_ends_the_flow(
    mode: str, outcome: Any, goes_on: bool
) -> None:
    leg, _, _ = await _run(a_context(actions=a_flow(_transfer(mode=mode), AFTER)), outcome)
    assert any("Still here" in done for done in leg.done) is goes_on
    assert leg.done[-1] == "hang_up"


async def test_the_action_hears_what_became_of_it() -> None:
    async with callback_server(after=[[]]) as server:
        await _run(a_context(actions=a_flow(_transfer(action=server.url("/after")))), ANSWERED)
    form = server.asked[0].form
    assert (form["callSessionState"], form["transferStatus"], form["transferDuration"]) == (
        *("TransferCompleted", "completed", "37"),
    )
    assert (form["transferMode"], form["transferTo"]) == ("blind", TO)


def test_hold_music_is_for_attended_transfers_alone() -> None:
    read = read_flow({"actions": [_transfer(holdUrl="https://a.example/h.mp3")]})
    assert isinstance(read, FlowInvalid)
    assert [problem.pointer for problem in read.problems] == ["/actions/0/transfer/holdUrl"]
