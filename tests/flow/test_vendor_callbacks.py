"""Handlers written for Twilio and for Africa's Talking, asked over real HTTP in their own vocabularies."""

import importlib
import re
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Protocol, cast
from uuid import UUID

import msgspec
import pytest
from aiohttp import web

import sautikitd
from flow.doubles import (
    SECRET,
    Answer,
    Asked,
    CallbackServer,
    NoNames,
    ScriptedLeg,
    Story,
    a_context,
    callback_server,
)
from sautikitd.calls.outcomes import HangupCause
from sautikitd.clock import Clock, SystemClock
from sautikitd.egress.client import EgressClient
from sautikitd.egress.guard import EgressGuard
from sautikitd.egress.signatures import verify
from sautikitd.flow.callbacks import africastalking, twilio
from sautikitd.flow.callbacks.client import CallbackClient
from sautikitd.flow.callbacks.formats import vocabulary_of
from sautikitd.flow.callbacks.log import CallbackOutcome
from sautikitd.flow.callbacks.question import Failure, Method, Question, SessionState
from sautikitd.flow.callbacks.twilio import twilio_signature
from sautikitd.flow.callbacks.vocabulary import Asking
from sautikitd.flow.context import CallbackFormat, CallOutcome, Direction, FlowContext, KeptRecording
from sautikitd.flow.interpreter import FlowRunner
from sautikitd.flow.journal import EntryKind
from sautikitd.flow.port import Dialled, DialStatus
from sautikitd.flow.verbs.registry import VERBS
from sautikitd.flow.xml.values import call_id_of, call_sid_of

CLOCK: Clock = SystemClock()
CALL = UUID("01890a5d-ac96-774b-bcce-b302099a8057")
RECORDING = UUID("01890a5d-1111-774b-bcce-b302099a8057")
WORKSPACE = UUID("01890a5d-0000-774b-bcce-b302099a8057")
OLDER_SECRET = "whsec_OTg3NjU0MzIxMDk4NzY1NDMyMTA5ODc2NTQzMjEwOTg="


class RequestValidator(Protocol):
    """Of Twilio's own library."""

    def __init__(self, token: str) -> None: ...

    def validate(self, uri: str, params: dict[str, str], signature: str) -> bool: ...


def twilios_validator(token: str) -> RequestValidator:
    library = importlib.import_module("twilio.request_validator")
    return cast("RequestValidator", library.RequestValidator(token))


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


# Twilio


def a_twilio_handler() -> Answer:
    """An IVR as its tutorials write it: TwiML built by Twilio's library, the signature checked by it."""
    library = importlib.import_module("twilio.twiml.voice_response")

    async def handle(asked: Asked) -> web.StreamResponse:
        reply = library.VoiceResponse()
        if asked.form["CallStatus"] not in ("ringing", "in-progress"):
            return web.Response(status=400)
        digits = asked.form.get("Digits")
        if digits == "1":
            reply.say("Sales", voice="Polly.Joanna")
            reply.record(max_length=30, action="/voice", finish_on_key="#")
        elif "RecordingUrl" in asked.form:
            reply.say("Thank you")
            reply.hangup()
        else:
            gather = reply.gather(num_digits=1, timeout=7)
            gather.say("Press 1")
        return web.Response(text=str(reply), content_type="text/xml")

    return handle


async def test_a_twilio_handler_works_unchanged_and_its_library_accepts_every_signature() -> None:
    async with callback_server(voice=[a_twilio_handler()]) as server:
        leg = ScriptedLeg(answered=False, digits=["1"])
        context = a_call(
            server,
            CallbackFormat.TWILIO,
            direction=Direction.INBOUND,
            client_request_id="order 7/ü",
            voice_callback_url=server.url("/voice?tenant=a%20b"),
        )
        async with a_runner(leg, context) as (runner, story):
            await runner.run()
    assert leg.done == ["answer", "collect [say Press 1]", "say Sales", "record", "say Thank you", "hang_up"]
    assert "Polly.Joanna" in story.of(EntryKind.WARNING)[0].text
    validator = twilios_validator(SECRET)
    for asked in server.asked:
        posted = dict(pair for pair in asked.form.items() if pair[0] not in ("tenant", "clientRequestId"))
        signature = asked.headers["X-Twilio-Signature"]
        assert validator.validate(address_of(server, asked), posted, signature)
        assert not validator.validate(address_of(server, asked), posted | {"Digits": "9"}, signature)
        assert "X-Sautikit-Signature" not in asked.headers
    assert [asked.raw_query for asked in server.asked] == [
        "tenant=a%20b&clientRequestId=order%207/%C3%BC",
        "tenant=a%20b&clientRequestId=order%207/%C3%BC",
        "clientRequestId=order%207/%C3%BC",
    ]


async def test_the_first_request_has_twilios_parameters() -> None:
    async with callback_server(voice=[xml("<Response><Reject/></Response>")]) as server:
        context = a_call(server, CallbackFormat.TWILIO, direction=Direction.INBOUND)
        async with a_runner(ScriptedLeg(answered=False), context) as (runner, _):
            await runner.run()
    assert server.asked[0].form == {
        "CallSid": "CA01890a5dac96774bbcceb302099a8057",
        "AccountSid": "AC01890a5d0000774bbcceb302099a8057",
        "From": "+254207650100",
        "To": "+254711000001",
        "Caller": "+254207650100",
        "Called": "+254711000001",
        "CallStatus": "ringing",
        "ApiVersion": "2010-04-01",
        "Direction": "inbound",
    }


async def test_a_get_is_signed_over_its_whole_address() -> None:
    async with callback_server(voice=[xml("<Response/>")]) as server:
        context = a_call(server, CallbackFormat.TWILIO, voice_method=Method.GET, client_request_id="x y")
        async with a_runner(ScriptedLeg(), context) as (runner, _):
            await runner.run()
    (asked,) = server.asked
    assert asked.method == "GET"
    assert asked.form["Direction"] == "outbound-api"
    assert asked.form["clientRequestId"] == "x y"
    signature = asked.headers["X-Twilio-Signature"]
    assert twilios_validator(SECRET).validate(address_of(server, asked), {}, signature)


async def test_while_a_secret_is_rotated_the_older_one_signs() -> None:
    async with callback_server(voice=[xml("<Response/>")]) as server:
        context = a_call(server, CallbackFormat.TWILIO)
        async with a_runner(ScriptedLeg(), context, [SECRET, OLDER_SECRET]) as (runner, _):
            await runner.run()
    (asked,) = server.asked
    signature = asked.headers["X-Twilio-Signature"]
    assert twilios_validator(OLDER_SECRET).validate(address_of(server, asked), dict(asked.form), signature)


def test_the_signature_is_the_published_one() -> None:
    """The worked example of Twilio's page on webhook security."""
    parameters = [
        ("CallSid", "CA1234567890ABCDE"),
        ("Caller", "+14158675309"),
        ("Digits", "1234"),
        ("From", "+14158675309"),
        ("To", "+18005551212"),
    ]
    url = "https://mycompany.com/myapp.php?foo=1&bar=2"
    assert twilio_signature(url, parameters, "12345") == "RSOYDt4T1cUTdK1PDd93/VVr8B8="


async def test_the_results_of_a_recording_have_twilios_names() -> None:
    async with (
        callback_server(
            voice=[xml("<Response><Record action='/done'/></Response>")], done=[xml("<Response/>")]
        ) as server,
        a_runner(ScriptedLeg(), a_call(server, CallbackFormat.TWILIO)) as (runner, _),
    ):
        await runner.run()
    form = server.asked[1].form
    assert form["RecordingUrl"] == "https://api.test/v1/recordings/00000000-0000-0000-0000-000000000007"
    assert form["RecordingSid"] == "RE00000000000000000000000000000007"
    assert (form["RecordingDuration"], form["Digits"], form["CallStatus"]) == ("3", "#", "in-progress")


async def test_a_gather_without_action_asks_the_document_that_gave_it_again() -> None:
    first = "<Response><Redirect method='GET'>/menu?x=1</Redirect></Response>"
    async with (
        callback_server(
            voice=[xml(first)],
            menu=[xml("<Response><Gather method='GET' numDigits='1'/></Response>"), xml("<Response/>")],
        ) as server,
        a_runner(ScriptedLeg(digits=["5"]), a_call(server, CallbackFormat.TWILIO)) as (runner, _),
    ):
        await runner.run()
    assert [(asked.method, asked.path) for asked in server.asked] == [
        ("POST", "/voice"),
        ("GET", "/menu"),
        ("GET", "/menu"),
    ]
    assert (server.asked[2].form["x"], server.asked[2].form["Digits"]) == ("1", "5")


async def test_the_voice_callback_gets_no_last_report_but_the_status_callback_does() -> None:
    async with callback_server(voice=[xml("<Response/>")], status=[web.Response(status=204)]) as server:
        outcome = CallOutcome(
            duration_seconds=61,
            cost_minor=105,
            hangup_cause="normal_clearing",
            ended_at=datetime(2026, 11, 23, 18, 4, 5, tzinfo=UTC),
            recording=KeptRecording(id=RECORDING, url="https://api.test/r", duration_seconds=60),
        )
        async with a_runner(ScriptedLeg(), a_call(server, CallbackFormat.TWILIO)) as (runner, _):
            await runner.run()
            await runner.report_end(outcome)
        told = a_call(server, CallbackFormat.TWILIO, status_callback_url=server.url("/status"))
        async with a_runner(ScriptedLeg(), told) as (runner, _):
            await runner.report_end(outcome)
    assert [asked.path for asked in server.asked] == ["/voice", "/status"]
    form = server.asked[1].form
    assert dict(form) == dict(form) | {
        "CallStatus": "completed",
        "CallDuration": "61",
        "Duration": "2",
        "SipResponseCode": "200",
        "RecordingSid": f"RE{RECORDING.hex}",
        "RecordingUrl": "https://api.test/r",
        "RecordingDuration": "60",
        "Timestamp": "Mon, 23 Nov 2026 18:04:05 +0000",
        "CallbackSource": "call-progress-events",
        "SequenceNumber": "0",
    }
    signature = server.asked[1].headers["X-Twilio-Signature"]
    assert twilios_validator(SECRET).validate(server.url("/status"), dict(form), signature)


@pytest.mark.parametrize(
    ("answer", "code"), [(web.Response(status=500), "11200"), (xml("<Response><Sms/></Response>"), "12100")]
)
async def test_the_fallback_url_is_told_what_went_wrong_and_where(answer: Answer, code: str) -> None:
    async with callback_server(voice=[answer], fallback=[xml("<Response/>")]) as server:
        context = a_call(server, CallbackFormat.TWILIO, fallback_url=server.url("/fallback"))
        async with a_runner(ScriptedLeg(), context) as (runner, _):
            await runner.run()
    first, second = server.asked
    assert not {"ErrorCode", "ErrorUrl"} & set(first.form)
    assert (second.form["ErrorCode"], second.form["ErrorUrl"]) == (code, server.url("/voice"))
    signature = second.headers["X-Twilio-Signature"]
    assert twilios_validator(SECRET).validate(server.url("/fallback"), dict(second.form), signature)


def test_every_way_to_fail_has_its_code_in_twilios_list() -> None:
    assert set(twilio.ERROR_CODES) == set(CallbackOutcome) - {CallbackOutcome.OK, CallbackOutcome.IGNORED}


@pytest.mark.parametrize("cause", list(HangupCause))
def test_a_call_that_was_not_answered_ends_in_one_of_twilios_statuses(cause: HangupCause) -> None:
    outcome = CallOutcome(duration_seconds=0, cost_minor=0, hangup_cause=cause.value)
    form = dict(vocabulary_of(CallbackFormat.TWILIO).parameters(ended(outcome, CallbackFormat.TWILIO)))
    assert form["CallStatus"] in {"busy", "no-answer", "canceled", "failed"}
    assert (form["CallStatus"] == "busy") is (cause is HangupCause.USER_BUSY)


def ended(outcome: CallOutcome, wanted: CallbackFormat) -> Asking:
    context = a_context(callback_format=wanted)
    question = Question(url="https://e.test/")
    return Asking(context=context, question=question, state=SessionState.COMPLETED, outcome=outcome)


def test_a_call_sid_turns_back_into_the_call_id() -> None:
    assert call_id_of(call_sid_of(CALL)) == str(CALL)
    assert call_id_of("not a sid") == "not a sid"


# Africa's Talking


async def an_africas_talking_handler(asked: Asked) -> web.StreamResponse:
    """As its documentation has it: look at `isActive`, then at `dtmfDigits`, answer XML as text/plain."""
    if asked.form["isActive"] != "1":
        return web.Response(text="OK")
    if "recordingUrl" in asked.form:
        reply = "<Say>Thank you.</Say>"
    elif "dtmfDigits" in asked.form:
        reply = f"<Say>You entered {asked.form['dtmfDigits']}.</Say><Record maxLength='10'/>"
    else:
        reply = '<GetDigits timeout="20" finishOnKey="#"><Say>Your account number?</Say></GetDigits>'
    text = f'<?xml version="1.0" encoding="UTF-8"?><Response>{reply}</Response>'
    return web.Response(text=text, content_type="text/plain")


async def test_an_africas_talking_handler_works_unchanged_to_its_final_notification() -> None:
    async with callback_server(voice=[an_africas_talking_handler]) as server:
        leg = ScriptedLeg(digits=["1234"])
        context = a_call(server, CallbackFormat.AFRICASTALKING)
        async with a_runner(leg, context) as (runner, _):
            await runner.run()
            await runner.report_end(
                CallOutcome(
                    duration_seconds=21,
                    cost_minor=105,
                    hangup_cause="normal_clearing",
                    recording=KeptRecording(id=RECORDING, url="https://api.test/r", duration_seconds=20),
                )
            )
    assert leg.done == [
        "collect [say Your account number?]",
        "say You entered 1234.",
        "record",
        "say Thank you.",
        "hang_up",
    ]
    first, digits, recorded, last = server.asked
    assert first.form == {
        "isActive": "1",
        "sessionId": "HD_0a8d5911d055",
        "direction": "Outbound",
        "callerNumber": "+254711000001",
        "callerCountryCode": "254",
        "destinationNumber": "+254207650100",
        "callSessionState": "Answered",
        "callStartTime": "2026-11-23+18:04:05",
    }
    assert digits.form["dtmfDigits"] == "1234"
    assert recorded.form["recordingUrl"].startswith("https://api.test/v1/recordings/")
    assert set(recorded.form) - set(first.form) == {"recordingUrl", "dtmfDigits"}
    outcome = {name: last.form[name] for name in set(last.form) - set(first.form)}
    assert outcome == {
        "status": "Success",
        "durationInSeconds": "21",
        "currencyCode": "KES",
        "amount": "1.05",
        "recordingUrl": "https://api.test/r",
        "hangupCause": "NORMAL_CLEARING",
    }
    assert (last.form["isActive"], last.form["callSessionState"]) == ("0", "Completed")
    for asked in server.asked:
        at = int(CLOCK.now().timestamp())
        verify(asked.raw_body, asked.headers["X-Sautikit-Signature"], [SECRET], now=at)
        assert "X-Twilio-Signature" not in asked.headers


def test_the_caller_is_the_phone_user_in_both_directions() -> None:
    context = a_context(direction=Direction.INBOUND, from_number="+254711000001", to_number="+254207650100")
    asking = Asking(context=context, question=Question(url="https://e.test/"), state=SessionState.RINGING)
    form = dict(vocabulary_of(CallbackFormat.AFRICASTALKING).parameters(asking))
    assert (form["callerNumber"], form["destinationNumber"]) == ("+254711000001", "+254207650100")
    assert (form["direction"], form["callSessionState"]) == ("Inbound", "Ringing")


def test_every_hangup_cause_has_its_name_in_africas_talkings_list() -> None:
    assert {cause.value for cause in HangupCause} == set(africastalking.HANGUP_CAUSES)
    assert set(twilio.UNANSWERED) <= {cause.value for cause in HangupCause}


def test_a_call_that_was_not_answered_failed() -> None:
    outcome = CallOutcome(duration_seconds=0, cost_minor=0, hangup_cause="user_busy")
    wanted = CallbackFormat.AFRICASTALKING
    form = dict(vocabulary_of(wanted).parameters(ended(outcome, wanted)))
    assert (form["status"], form["hangupCause"], form["amount"]) == ("Failed", "USER_BUSY", "0.00")


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


def test_the_start_of_a_dial_is_told_as_africas_talking_writes_times() -> None:
    results = {"dialStartTime": "2026-11-23T12:00:00.000Z", "dialNumber": "+254711000002"}
    question = Question(url="https://e.test/", results=results)
    asking = Asking(context=a_context(), question=question, state=SessionState.DIAL_COMPLETED)
    form = dict(vocabulary_of(CallbackFormat.AFRICASTALKING).parameters(asking))
    assert form["dialStartTime"] == "2026-11-23+12:00:00"


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
