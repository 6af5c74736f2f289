"""Streams of real calls: a phone on one side, a WebSocket server on the other, the voice node between them."""

import asyncio
from urllib.parse import urlsplit

from aiohttp import web

from flow.doubles import callback_server
from node.exchange import PATIENCE_S, hears_tone, hung_up
from node.switchboard import NUMBER, Switchboard
from sautikitd.egress.signatures import verify
from simulators.carrier.far_side import Phone
from voice.media.rtp_peer import level, sine
from voice.streams.bot import Bot, Visit


async def _call(board: Switchboard, url: str) -> Phone:
    await board.route(voice_callback_url=url)
    phone = await board.exchange.call(NUMBER)
    await phone.answered()
    return phone


async def _hears(phone: Phone, hertz: float) -> None:
    async with asyncio.timeout(PATIENCE_S):
        while not hears_tone(phone.peer, hertz):
            await asyncio.sleep(0.02)


async def _talks_both_ways(phone: Phone, visit: Visit) -> None:
    await visit.say(sine(1200, 1.0))
    await phone.peer.say(sine(700, 0.6))
    await visit.until(lambda: level(visit.pcm()[-1600:], 700) > 4000)
    await _hears(phone, 1200)


async def test_a_call_talks_with_a_server_and_goes_on_when_the_socket_closes(board: Switchboard) -> None:
    async with Bot() as bot, callback_server(voice=[[]], status=[{}]) as server:
        stream = {"url": bot.url, "name": "agent", "statusCallback": server.url("/status")}
        server.answers["/voice"][:] = [[{"stream": stream}, {"play": {"tone": "dial"}}]]
        phone = await _call(board, server.url("/voice"))
        visit = await bot.visit()
        await _talks_both_ways(phone, visit)
        await visit.leave()
        await _hears(phone, 425)
        await hung_up(phone)
        await board.over()
        told = [asked.form for asked in server.asked if asked.path == "/status"]
        assert [form["streamEvent"] for form in told] == ["stream-started", "stream-stopped"]
        assert {form["streamName"] for form in told} == {"agent"}
        assert [form["callSessionState"] for form in told] == ["Answered", "StreamStopped"]


async def test_the_upgrade_request_is_signed_and_carries_the_metadata(board: Switchboard) -> None:
    async with Bot() as bot, callback_server(voice=[[]]) as server:
        stream = {"url": bot.url, "headerMetadata": {"X-Shop": "duka"}, "openMetadata": {"till": 9}}
        server.answers["/voice"][:] = [[{"stream": stream}]]
        phone = await _call(board, server.url("/voice"))
        visit = await bot.visit()
        async with board.platform.database.connection() as connection:
            secrets = await board.platform.signing_secrets.valid(connection, board.workspace_id, "live")
        headers = visit.request.headers
        query = urlsplit(bot.url).query.encode()
        verify(query, headers["X-Sautikit-Signature"], secrets, now=int(board.clock.now().timestamp()))
        await visit.until(lambda: bool(visit.texts))
        (call,) = await board.calls()
        assert (headers["X-Shop"], headers["X-Sautikit-Call-Id"]) == ("duka", str(call.id))
        assert (visit.texts[0]["till"], visit.texts[0]["sessionId"]) == (9, call.session_id)
        await phone.sip.hang_up()
        async with asyncio.timeout(PATIENCE_S):
            await visit.closed.wait()


async def test_the_callers_hang_up_closes_the_socket_and_is_told(board: Switchboard) -> None:
    async with Bot() as bot, callback_server(voice=[[]], status=[{}]) as server:
        server.answers["/voice"][:] = [
            [{"stream": {"url": bot.url, "statusCallback": server.url("/status")}}]
        ]
        phone = await _call(board, server.url("/voice"))
        visit = await bot.visit()
        await visit.until(lambda: len(visit.frames) > 5)
        await phone.sip.hang_up()
        async with asyncio.timeout(PATIENCE_S):
            await visit.closed.wait()
            await board.over()
            while [a.form["streamEvent"] for a in server.asked if a.path == "/status"][-1:] != [
                "stream-stopped"
            ]:
                await asyncio.sleep(0.02)
        assert board.parts.engine.legs == 0


async def test_a_server_that_refuses_is_a_stream_error_and_the_flow_goes_on(board: Switchboard) -> None:
    async with Bot(status=500) as bot, callback_server(voice=[[]], status=[{}]) as server:
        stream = {"url": bot.url, "statusCallback": server.url("/status"), "statusEvents": "stream-error"}
        server.answers["/voice"][:] = [[{"stream": stream}, {"play": {"tone": "dial"}}]]
        phone = await _call(board, server.url("/voice"))
        await _hears(phone, 425)
        await hung_up(phone)
        told = [asked.form for asked in server.asked if asked.path == "/status"]
        assert [form["streamEvent"] for form in told] == ["stream-error"]
        assert "500" in told[0]["streamError"]


async def test_a_stream_beside_the_flow_hears_what_is_played_until_it_is_stopped(board: Switchboard) -> None:
    async with Bot() as bot, callback_server(voice=[[]]) as server:
        stream = {"url": bot.url, "connect": False, "track": "outbound_track", "name": "ear"}
        actions = [
            {"stream": stream},
            {"play": {"tone": "dial", "loop": 3}},  # so long that the socket is open before its end
            {"stopStream": {"name": "ear"}},
            {"play": {"tone": "beep"}},
        ]
        server.answers["/voice"][:] = [actions]
        phone = await _call(board, server.url("/voice"))
        visit = await bot.visit()
        await visit.until(lambda: level(visit.pcm()[-1600:], 425) > 4000)
        await _hears(phone, 1000)
        async with asyncio.timeout(PATIENCE_S):
            await visit.closed.wait()
        assert level(visit.pcm(), 1000) < 200


async def test_twiml_connects_in_twilios_protocol(board: Switchboard) -> None:
    async with Bot(subprotocols=()) as bot, callback_server(voice=[[]]) as server:

        async def twiml(_: object) -> web.StreamResponse:
            text = f'<Response><Connect><Stream url="{bot.url}"/></Connect></Response>'
            return web.Response(text=text, content_type="text/xml")

        server.answers["/voice"][:] = [twiml]
        phone = await _call(board, server.url("/voice"))
        visit = await bot.visit()
        await visit.until(lambda: len(visit.frames) >= 2)
        sid = visit.texts[1]["streamSid"]
        await visit.say_mu_law(sine(1200, 1.0), sid)
        await phone.peer.say(sine(700, 0.6))
        await visit.until(lambda: level(visit.mu_law()[-1600:], 700) > 4000)
        await _hears(phone, 1200)
        assert "X-Twilio-Signature" in visit.request.headers


async def test_keys_go_to_the_server_and_not_to_the_verb_after_the_stream(board: Switchboard) -> None:
    async with Bot() as bot, callback_server(voice=[[]]) as server:
        gather = {"getDigits": {"numDigits": 2, "action": server.url("/voice"), "timeout": 60}}
        server.answers["/voice"][:] = [[{"stream": {"url": bot.url}}, gather], [{"hangup": {}}]]
        phone = await _call(board, server.url("/voice"))
        visit = await bot.visit()
        await visit.until(lambda: len(visit.frames) > 5)
        await phone.press("7")
        await visit.until(lambda: bool(visit.events("dtmf")))
        await visit.leave()
        async with asyncio.timeout(PATIENCE_S):
            while "getDigits" not in await _running(board):
                await asyncio.sleep(0.02)
        await phone.press("42")
        await hung_up(phone)
        assert visit.events("dtmf")[0]["dtmf"] == "7"
        assert [asked.form.get("Digits") for asked in server.asked[:2]] == [None, "42"]


async def test_a_second_stream_of_a_name_is_refused_with_a_warning(board: Switchboard) -> None:
    async with Bot() as bot, callback_server(voice=[[]]) as server:
        beside = {"stream": {"url": bot.url, "connect": False, "name": "ear"}}
        server.answers["/voice"][:] = [[beside, beside, {"play": {"tone": "beep"}}]]
        phone = await _call(board, server.url("/voice"))
        await bot.visit()
        await hung_up(phone)
        await board.parts.journal.flush()
        async with board.platform.database.connection() as connection:
            rows = await connection.fetch("SELECT data FROM events WHERE kind = 'flow.warning'")
        assert [row["data"]["text"] for row in rows] == ["a stream called ear is running"]
        assert bot.asked == 1


async def _running(board: Switchboard) -> list[str]:
    """The verbs that have been begun."""
    await board.parts.journal.flush()
    async with board.platform.database.connection() as connection:
        rows = await connection.fetch("SELECT data FROM events WHERE kind = 'flow.verb_started'")
    return [row["data"]["verb"] for row in rows]
