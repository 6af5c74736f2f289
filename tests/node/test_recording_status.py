"""`recordingStatusCallback` of TwiML's Record, Dial and Conference: told in Twilio's words once the recording can be fetched."""

from aiohttp import web

from flow.doubles import callback_server
from node.deliveries import accepted, auth_token, dispatching
from node.exchange import hears
from node.room_party import call_in, call_of, nothing_left, rows, until_rows, until_seated
from node.switchboard import PARTIES, Switchboard
from simulators.carrier.far_side import eventually
from voice.media.rtp_peer import sine

CALLER, CALLEE, _ = PARTIES
CONFERENCE = """<Dial><Conference record="record-from-start" beep="false" recordingStatusCallback="/kept"
    recordingStatusCallbackEvent="completed" recordingStatusCallbackMethod="POST">Board</Conference></Dial>"""


def _twiml(inside: str) -> web.Response:
    return web.Response(text=f"<Response>{inside}</Response>", content_type="text/xml")


async def test_a_recorded_message_is_told_of_when_it_can_be_fetched(board: Switchboard) -> None:
    record = '<Record action="/after" playBeep="false" recordingStatusCallback="/kept" recordingStatusCallbackEvent="completed"/>'
    async with callback_server(
        voice=[_twiml(record)], after=[_twiml("<Hangup/>")], kept=[web.json_response({})]
    ) as server:
        await board.route(voice_callback_url=server.url("/voice"), callback_format="twilio")
        async with dispatching(board):
            phone = await call_in(board, CALLER)
            await phone.peer.say(sine(500, 1.2))
            await phone.peer.pace(phone.peer.press("1"))
            await eventually(lambda: any(asked.path == "/kept" for asked in server.asked))
        secret = await auth_token(board)
        (row,) = await until_rows(board, 1, "SELECT id, status, duration_ms FROM recordings")
        call = await call_of(board, CALLER)
    told = [asked for asked in server.asked if asked.path == "/kept"]
    accepted(server, told, secret, "/kept")
    (form,) = [asked.form for asked in told]
    (after,) = [asked.form for asked in server.asked if asked.path == "/after"]
    assert (form["CallSid"], form["RecordingSid"]) == (f"CA{call.hex}", f"RE{row['id'].hex}")
    assert (form["RecordingStatus"], row["status"]) == ("completed", "ready")
    assert form["RecordingDuration"] == str(-(-row["duration_ms"] // 1000)) == after["RecordingDuration"]
    assert form["RecordingUrl"] == after["RecordingUrl"]
    assert (form["RecordingChannels"], form["RecordingSource"]) == ("1", "RecordVerb")


async def test_a_recorded_conversation_is_told_of_too(board: Switchboard) -> None:
    dial = f'<Dial record="record-from-answer" recordingStatusCallback="/kept">{CALLEE}</Dial>'
    async with callback_server(voice=[_twiml(dial)], kept=[web.json_response({})]) as server:
        await board.route(voice_callback_url=server.url("/voice"), callback_format="twilio")
        async with dispatching(board):
            phone = await call_in(board, CALLER)
            callee = await (await board.exchange.ringing(CALLEE)).answer()
            assert await hears(callee.peer, phone.peer, 440)
            await until_rows(board, 1, "SELECT FROM recordings")
            await callee.sip.bye()
            await eventually(lambda: any(asked.path == "/kept" for asked in server.asked))
        secret = await auth_token(board)
    told = [asked for asked in server.asked if asked.path == "/kept"]
    accepted(server, told, secret, "/kept")
    assert [(asked.form["RecordingChannels"], asked.form["RecordingSource"]) for asked in told] == [
        ("2", "DialVerb")
    ]


async def test_a_recorded_conference_is_told_of_by_its_own_name(board: Switchboard) -> None:
    async with callback_server(
        voice=[_twiml(CONFERENCE), _twiml(CONFERENCE)], kept=[web.json_response({})]
    ) as server:
        await board.route(voice_callback_url=server.url("/voice"), callback_format="twilio")
        async with dispatching(board):
            phones = [await call_in(board, caller) for caller in (CALLER, CALLEE)]
            await until_seated(board, 2)
            await until_rows(board, 1, "SELECT FROM recordings WHERE status = 'recording'")
            await phones[0].peer.say(sine(500, 1.2))
            for phone in phones:
                await phone.sip.bye()
            await nothing_left(board)
            await eventually(lambda: any(asked.path == "/kept" for asked in server.asked))
        secret = await auth_token(board)
        (recording,) = await rows(board, "SELECT id, duration_ms FROM recordings")
        (room,) = await rows(board, "SELECT id FROM rooms")
        (event,) = await rows(board, "SELECT data FROM events WHERE kind = 'recording.ready'")
        warnings = await rows(board, "SELECT data FROM events WHERE kind = 'flow.warning'")
    told = [asked for asked in server.asked if asked.path == "/kept"]
    accepted(server, told, secret, "/kept")
    (form,) = [asked.form for asked in told]
    assert dict(form) == {
        "AccountSid": f"AC{board.workspace_id.hex}",
        "ApiVersion": "2010-04-01",
        "ConferenceSid": f"CF{room['id'].hex}",
        "RecordingSid": f"RE{recording['id'].hex}",
        "RecordingUrl": event["data"]["media_url"],
        "RecordingStatus": "completed",
        "RecordingDuration": str(-(-recording["duration_ms"] // 1000)),
        "RecordingChannels": "1",
        "RecordingStartTime": form["RecordingStartTime"],
        "RecordingSource": "Conference",
        "Timestamp": form["Timestamp"],
    }
    assert event["data"]["conference_id"] == str(room["id"])
    assert warnings == []
