"""`stream` and `stopStream`: a WebSocket client at one end, a baresip at the other."""

import asyncio

import pytest

from system.verbs.stage import CALLEE_TONE, Stage, until_hears
from voice.media.rtp_peer import level, sine
from voice.streams.bot import Bot

pytestmark = pytest.mark.asyncio(loop_scope="session")


async def test_a_named_stream_in_twilios_protocol_carries_what_it_was_given_and_tells_of_itself(
    stage: Stage,
) -> None:
    phone = await stage.callee()
    async with Bot(subprotocols=()) as bot:
        stream = {
            "url": bot.url,
            "protocol": "twilio",
            "name": "assistant",
            "track": "inbound_track",
            "headerMetadata": {"X-Shop": "duka"},
            "openMetadata": {"customer": "asha"},
            "statusCallback": "/told",
            "statusEvents": ["stream-stopped"],
            "action": "/after",
            "method": "GET",
        }
        stage.receiver.flow = lambda _: [{"stream": stream}]
        stage.receiver.replies["/after"] = [[{"play": {"tone": "dial"}}]]
        call_id = await stage.place(voice_callback_url=f"{stage.receiver.url}/voice")
        visit = await bot.visit()
        await visit.until(lambda: level(visit.mu_law()[-1600:], CALLEE_TONE) > 1000)
        (start,) = visit.events("start")
        await visit.say_mu_law(sine(600, 3), start["streamSid"])
        await until_hears(phone, 600)
        await visit.leave()
        after = await stage.receiver.asked("/after")
        told = await stage.receiver.asked("/told")
        await until_hears(phone, 425)
        await stage.over(call_id)
    assert visit.request.headers["X-Shop"] == "duka"
    assert start["start"]["customParameters"] == {"customer": "asha"}
    assert (after.method, after.form["streamName"]) == ("GET", "assistant")
    assert told.form["streamEvent"] == "stream-stopped"
    assert len([one for one in stage.receiver.requests if one.path == "/told"]) == 1


async def test_a_stream_beside_the_flow_hears_both_sides_until_it_is_stopped_by_its_name(
    stage: Stage,
) -> None:
    phone = await stage.callee()
    ear = {"name": "ear", "connect": False, "track": "both_tracks"}
    async with Bot() as bot:
        call_id = await stage.place(
            {"stream": {"url": bot.url, **ear}},
            {"play": {"url": stage.tone_file("said", 600, 3)}},
            {"stopStream": {"name": "another"}},
            {"play": {"url": stage.tone_file("after", 800, 2)}},
            {"stopStream": {"name": "ear"}},
            {"pause": {"length": 4}},
        )
        visit = await bot.visit()
        for hertz in (600, 800):
            await visit.until(lambda hertz=hertz: level(visit.pcm()[-1600:], hertz) > 1000)  # type: ignore[misc]
            assert level(visit.pcm()[-1600:], CALLEE_TONE) > 1000
        async with asyncio.timeout(20):
            await visit.closed.wait()
        live = await stage.installation.api("GET", f"/v1/calls/{call_id}", stage.customer.key)
        assert live["call"]["status"] == "answered"  # the flow is still there
        await phone.until("CALL_CLOSED")
        await stage.over(call_id)
