"""Handlers written for Twilio, asked over real HTTP in its vocabulary; signatures are checked by its own library."""

import importlib
from datetime import UTC, datetime
from typing import Protocol, cast

import pytest
from aiohttp import web

from flow.doubles import (
    SECRET,
    Answer,
    Asked,
    ScriptedLeg,
    callback_server,
)
from flow.vendors import (
    CALL,
    OLDER_SECRET,
    RECORDING,
    a_call,
    a_runner,
    address_of,
    ended,
    xml,
)
from sautikitd.calls.outcomes import HangupCause
from sautikitd.flow.callbacks import twilio
from sautikitd.flow.callbacks.formats import vocabulary_of
from sautikitd.flow.callbacks.log import CallbackOutcome
from sautikitd.flow.callbacks.question import Method
from sautikitd.flow.callbacks.twilio import twilio_signature
from sautikitd.flow.context import CallbackFormat, CallOutcome, Direction, KeptRecording
from sautikitd.flow.journal import EntryKind
from sautikitd.flow.xml.values import call_id_of, call_sid_of


class RequestValidator(Protocol):
    """Of Twilio's own library."""

    def __init__(self, token: str) -> None: ...

    def validate(self, uri: str, params: dict[str, str], signature: str) -> bool: ...


def twilios_validator(token: str) -> RequestValidator:
    library = importlib.import_module("twilio.request_validator")
    return cast("RequestValidator", library.RequestValidator(token))


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


def test_a_call_sid_turns_back_into_the_call_id() -> None:
    assert call_id_of(call_sid_of(CALL)) == str(CALL)
    assert call_id_of("not a sid") == "not a sid"
