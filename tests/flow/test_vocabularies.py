"""What holds of every callback vocabulary: dialects, JSON, names for every cause, and the page that tells of them."""

import re
from pathlib import Path

import msgspec
import pytest

import sautikitd
from flow.doubles import (
    ScriptedLeg,
    a_context,
    callback_server,
)
from flow.vendors import CLOCK, RECORDING, WORKSPACE, a_call, a_runner, xml
from sautikitd.calls.outcomes import HangupCause
from sautikitd.flow.callbacks import africastalking, twilio
from sautikitd.flow.callbacks.formats import vocabulary_of
from sautikitd.flow.callbacks.log import CallbackOutcome
from sautikitd.flow.callbacks.question import Failure, Question, SessionState
from sautikitd.flow.callbacks.vocabulary import Asking
from sautikitd.flow.context import CallbackFormat, CallOutcome, KeptRecording
from sautikitd.flow.port import Dialled, DialStatus
from sautikitd.flow.verbs.registry import VERBS


def test_every_hangup_cause_has_its_name_in_africas_talkings_list() -> None:
    assert {cause.value for cause in HangupCause} == set(africastalking.HANGUP_CAUSES)
    assert set(twilio.UNANSWERED) <= {cause.value for cause in HangupCause}


@pytest.mark.parametrize("wanted", list(CallbackFormat))
async def test_the_callback_format_decides_the_dialect_of_the_reply(wanted: CallbackFormat) -> None:
    """`Record` without anything reports back in TwiML, and to nobody in Africa's Talking's XML."""
    reply = "<Response><Record/></Response>"
    async with (
        callback_server(voice=[xml(reply), xml("<Response/>")]) as server,
        a_runner(ScriptedLeg(), a_call(server, wanted)) as (runner, _),
    ):
        await runner.run()
    assert len(server.asked) == (1 if wanted is CallbackFormat.AFRICASTALKING else 2)


async def test_json_is_understood_from_handlers_of_every_vocabulary() -> None:
    async with callback_server(voice=[[{"say": {"text": "hi"}}]]) as server:
        leg = ScriptedLeg()
        async with a_runner(leg, a_call(server, CallbackFormat.TWILIO)) as (runner, _):
            await runner.run()
    assert leg.done == ["say hi", "hang_up"]
    assert server.asked[0].headers["Accept"] == "*/*"


@pytest.mark.parametrize("wanted", list(CallbackFormat))
def test_the_page_of_the_documentation_names_every_parameter(wanted: CallbackFormat) -> None:
    page = (Path(__file__).parents[2] / "docs" / "voice-callbacks.md").read_text(encoding="utf-8")
    section = page.partition(f"## `{wanted.value}`")[2].partition("\n## ")[0]
    dialled = Dialled(status=DialStatus.COMPLETED, cause="", answered_at=CLOCK.now(), number="+254711000002")
    outcome = CallOutcome(
        duration_seconds=1,
        cost_minor=5,
        hangup_cause="x",
        ended_at=CLOCK.now(),
        sip_code=487,
        recording=KeptRecording(id=RECORDING, url="x", duration_seconds=20),
        dialled=dialled,
    )
    context = a_context(
        workspace_id=WORKSPACE, started_at=CLOCK.now(), answered_by="human", client_request_id="c"
    )
    results = dict.fromkeys(_told_by_verbs(), "1") | {"dialStartTime": "2026-11-23T12:00:00.000Z"}
    failure = Failure(url="https://e.test/", outcome=CallbackOutcome.STATUS)
    question = Question(url="https://e.test/", digits="1", results=results, failure=failure)
    asking = Asking(context=context, question=question, state=SessionState.COMPLETED, outcome=outcome)
    names = [name for name, _ in vocabulary_of(wanted).parameters(asking)]
    assert [name for name in names if f"`{name}`" not in section] == []


def _told_by_verbs() -> set[str]:
    """The names of all that a verb tells its callbacks, as they stand in the sources."""
    sources = Path(sautikitd.__file__).parent
    told = [*(sources / "flow" / "verbs").glob("*.py"), *(sources / "node" / "rooms").glob("queueing.py")]
    text = "".join(path.read_text(encoding="utf-8") for path in told)
    prefixes = "dial|recording|queue|current|average|conference|stream|transfer"
    return set(re.findall(rf'"((?:{prefixes})[A-Z][A-Za-z]+)"', text)) - set(_FIELDS_OF_VERBS)


_FIELDS_OF_VERBS = [field.encode_name for verb in VERBS.values() for field in msgspec.structs.fields(verb)]
