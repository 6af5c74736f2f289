"""A conference written in TwiML tells its statusCallback in Twilio's words, signed so that Twilio's library accepts it."""

import asyncio
import importlib
from collections.abc import Mapping
from typing import Any

import httpx
from aiohttp import web

from flow.doubles import Asked, CallbackServer, callback_server
from node.deliveries import accepted, auth_token, dispatching
from node.exchange import PATIENCE_S, hears_tone, hung_up
from node.room_party import call_in, call_of, until_seated
from node.switchboard import PARTIES, Switchboard

FIRST, SECOND, THIRD = PARTIES
TWIML = """<Response><Dial><Conference endConferenceOnExit="true" beep="false" statusCallback="{url}"
    statusCallbackEvent="start end join leave mute hold">Board &amp; bank</Conference></Dial></Response>"""


async def test_twilios_library_accepts_what_a_conference_in_twiml_tells(
    board: Switchboard, api: httpx.AsyncClient
) -> None:
    async with callback_server(voice=[_twiml], status=[web.json_response({})]) as server:
        await board.route(voice_callback_url=server.url("/voice"))
        async with dispatching(board):
            phones = [await call_in(board, caller) for caller in (FIRST, SECOND)]
            await until_seated(board, 2)
            await _until_told(server, "conference-start")
            (conference,) = (await api.get("/v1/conferences")).json()["data"]
            speaker = f"/v1/conferences/{conference['id']}/participants/{await call_of(board, FIRST)}"
            for order, body in (("mute", None), ("unmute", None), ("hold", {}), ("unhold", None)):
                assert (await api.post(f"{speaker}/{order}", json=body)).status_code == 200
                await _until_told(server, f"participant-{order}")
            await phones[0].sip.bye()
            await hung_up(phones[1])
            await _until_told(server, "conference-end")
        secret = await auth_token(board)
        first = await call_of(board, FIRST)
    told = sorted((asked for asked in server.asked if asked.path == "/status"), key=_sequence)
    accepted(server, told, secret)
    common = {
        "AccountSid": f"AC{board.workspace_id.hex}",
        "ConferenceSid": "CF" + conference["id"].replace("-", ""),
        "FriendlyName": "Board & bank",
    }
    assert all(common.items() <= dict(asked.form).items() for asked in told)
    assert [asked.form["SequenceNumber"] for asked in told] == [str(n) for n in range(1, len(told) + 1)]
    of_first = {
        asked.form["StatusCallbackEvent"]: asked.form
        for asked in told
        if asked.form.get("CallSid") == f"CA{first.hex}"
    }
    assert set(of_first) == {
        "participant-join", "participant-mute", "participant-unmute", "participant-hold",
        "participant-unhold", "participant-leave",
    }  # fmt: skip
    joined = of_first["participant-join"]
    flags = ("Muted", "Hold", "Coaching", "StartConferenceOnEnter", "EndConferenceOnExit")
    assert [joined[flag] for flag in flags] == ["false", "false", "false", "true", "true"]
    assert (of_first["participant-mute"]["Muted"], of_first["participant-hold"]["Hold"]) == ("true", "true")
    assert of_first["participant-leave"]["ReasonParticipantLeft"] == "participant_hung_up"
    end = told[-1].form
    assert (end["StatusCallbackEvent"], end["ReasonConferenceEnded"], end["CallSidEndingConference"]) == (
        "conference-end",
        "participant-with-end-conference-on-exit-left",
        f"CA{first.hex}",
    )


async def test_it_tells_who_was_taken_out_and_who_had_to_leave_with_him(
    board: Switchboard, api: httpx.AsyncClient
) -> None:
    async with callback_server(status=[web.json_response({})]) as server:

        async def enter(asked: Asked) -> web.StreamResponse:
            ends = str(asked.form["From"] == FIRST).lower()
            text = TWIML.format(url="/status").replace('Exit="true"', f'Exit="{ends}"')
            return web.Response(text=text, content_type="text/xml")

        server.answers["/voice"] = [enter]
        await board.route(voice_callback_url=server.url("/voice"), callback_format="twilio")
        async with dispatching(board):
            for caller in PARTIES:
                await call_in(board, caller)
            await until_seated(board, 3)
            calls = {caller: await call_of(board, caller) for caller in PARTIES}
            for caller in (SECOND, FIRST):
                kicked = await api.post(f"/v1/conferences/Board & bank/participants/{calls[caller]}/kick")
                assert kicked.status_code == 200
                await until_seated(board, 2 if caller == SECOND else 0)
            await _until_told(server, "conference-end")
    left = {
        asked.form["CallSid"]: (asked.form["ReasonParticipantLeft"], asked.form["ParticipantCallStatus"])
        for asked in server.asked
        if asked.form.get("StatusCallbackEvent") == "participant-leave"
    }
    assert left == {
        f"CA{calls[SECOND].hex}": ("participant_updated_via_api", "in-progress"),
        f"CA{calls[FIRST].hex}": ("participant_updated_via_api", "in-progress"),
        f"CA{calls[THIRD].hex}": ("moderator_ended_conference", "in-progress"),
    }
    (end,) = [
        asked.form for asked in server.asked if asked.form.get("StatusCallbackEvent") == "conference-end"
    ]
    assert end["ReasonConferenceEnded"] == "participant-with-end-conference-on-exit-kicked"
    assert end["CallSidEndingConference"] == f"CA{calls[FIRST].hex}"
    assert "ReasonParticipantLeft" not in end


async def test_the_same_of_a_flow_in_json_of_a_number_that_speaks_twilios_vocabulary(
    board: Switchboard,
) -> None:
    async with callback_server(status=[web.json_response({})]) as server:
        room = {"name": "desk", "statusEventsCallbackUrl": server.url("/status"), "statusEvents": "join"}
        server.answers["/voice"] = [[{"conference": room}]]
        await board.route(voice_callback_url=server.url("/voice"), callback_format="twilio")
        async with dispatching(board):
            await call_in(board, FIRST)
            await _until_told(server, "participant-join")
        secret = await auth_token(board)
    told = [asked for asked in server.asked if asked.path == "/status"]
    accepted(server, told, secret)
    assert [asked.form["StatusCallbackEvent"] for asked in told] == ["participant-join"]


async def test_who_was_taken_out_of_a_conference_in_twiml_goes_on_where_the_dials_action_leads(
    board: Switchboard, api: httpx.AsyncClient
) -> None:
    dial = '<Dial action="/after" method="GET"><Conference>desk</Conference></Dial>'
    flow = web.Response(text=f"<Response>{dial}<Play digits='9'/></Response>", content_type="text/xml")
    async with callback_server(voice=[flow], after=[[{"play": {"tone": "busy", "loop": 100}}]]) as server:
        await board.route(voice_callback_url=server.url("/voice"), callback_format="twilio")
        phone = await call_in(board, FIRST)
        await until_seated(board, 1)
        call = await call_of(board, FIRST)
        assert (await api.post(f"/v1/conferences/desk/participants/{call}/kick")).status_code == 200
        async with asyncio.timeout(PATIENCE_S):
            while not hears_tone(phone.peer, 425):
                await asyncio.sleep(0.05)
        secret = await auth_token(board)
    (asked,) = [asked for asked in server.asked if asked.path == "/after"]
    assert (asked.method, asked.form["DialCallStatus"]) == ("GET", "answered")
    assert int(asked.form["DialCallDuration"]) >= 0
    validator = importlib.import_module("twilio.request_validator").RequestValidator(secret)
    url = f"{server.url('/after')}?{asked.raw_query}"
    assert validator.validate(url, {}, asked.headers["X-Twilio-Signature"])


async def _twiml(asked: Asked) -> web.StreamResponse:
    url = f"http://{asked.headers['Host']}/status"
    return web.Response(text=TWIML.format(url=url), content_type="text/xml")


def _sequence(asked: Asked) -> int:
    return int(asked.form["SequenceNumber"])


async def _until_told(server: CallbackServer, event: str) -> Mapping[str, Any]:
    async with asyncio.timeout(PATIENCE_S):
        while True:
            for asked in server.asked:
                if asked.form.get("StatusCallbackEvent") == event:
                    return asked.form
            await asyncio.sleep(0.02)
