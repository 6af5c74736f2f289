"""Handlers written for Africa's Talking, asked over real HTTP in its vocabulary, to its final notification."""

from aiohttp import web

from flow.doubles import (
    SECRET,
    Asked,
    ScriptedLeg,
    a_context,
    callback_server,
)
from flow.vendors import CLOCK, RECORDING, a_call, a_runner, ended
from sautikitd.egress.signatures import verify
from sautikitd.flow.callbacks.formats import vocabulary_of
from sautikitd.flow.callbacks.question import Question, SessionState
from sautikitd.flow.callbacks.vocabulary import Asking
from sautikitd.flow.context import CallbackFormat, CallOutcome, Direction, KeptRecording


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


def test_a_call_that_was_not_answered_failed() -> None:
    outcome = CallOutcome(duration_seconds=0, cost_minor=0, hangup_cause="user_busy")
    wanted = CallbackFormat.AFRICASTALKING
    form = dict(vocabulary_of(wanted).parameters(ended(outcome, wanted)))
    assert (form["status"], form["hangupCause"], form["amount"]) == ("Failed", "USER_BUSY", "0.00")


def test_the_start_of_a_dial_is_told_as_africas_talking_writes_times() -> None:
    results = {"dialStartTime": "2026-11-23T12:00:00.000Z", "dialNumber": "+254711000002"}
    question = Question(url="https://e.test/", results=results)
    asking = Asking(context=a_context(), question=question, state=SessionState.DIAL_COMPLETED)
    form = dict(vocabulary_of(CallbackFormat.AFRICASTALKING).parameters(asking))
    assert form["dialStartTime"] == "2026-11-23+12:00:00"
