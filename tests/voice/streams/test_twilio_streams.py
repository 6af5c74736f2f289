"""Streams in the protocol of Twilio's Media Streams."""

import asyncio
import time

import pytest

from sautikitd.flow.streams import StreamEnd, StreamProtocol
from voice.media.rtp_peer import level, sine
from voice.streams.bot import Bot, Visit
from voice.streams.talk import Talk, Talks

pytestmark = pytest.mark.asyncio(loop_scope="module")


async def _talk(talks: Talks, bot: Bot, **given: object) -> tuple[Talk, Visit, str]:
    talk = await talks.talk(bot.url, StreamProtocol.TWILIO, **given)
    visit = await bot.visit()
    await visit.until(lambda: len(visit.frames) >= 2)
    return talk, visit, visit.texts[1]["streamSid"]


async def test_it_begins_with_connected_and_start(talks: Talks) -> None:
    async with Bot() as bot:
        talk, visit, sid = await _talk(talks, bot, metadata={"customer": "wanjiru"})
        assert visit.texts[0] == {"event": "connected", "protocol": "Call", "version": "1.0.0"}
        assert visit.texts[1] == {
            "event": "start",
            "sequenceNumber": "1",
            "start": {
                "accountSid": "AC" + talk.opening.workspace_id.replace("-", ""),
                "streamSid": sid,
                "callSid": "CA" + talk.opening.call_id.replace("-", ""),
                "tracks": ["inbound"],
                "mediaFormat": {"encoding": "audio/x-mulaw", "sampleRate": 8000, "channels": 1},
                "customParameters": {"customer": "wanjiru"},
            },
            "streamSid": sid,
        }
        assert sid == "MZ" + talk.opening.stream_id.replace("-", "")


async def test_media_is_numbered_and_holds_what_the_caller_says(talks: Talks) -> None:
    async with Bot() as bot:
        talk, visit, _ = await _talk(talks, bot)
        await talk.call.peer.say(sine(700, 0.5))
        await visit.until(lambda: level(visit.mu_law()[-1600:], 700) > 5000)
        media = visit.events("media")
        assert [one["sequenceNumber"] for one in media] == [str(2 + index) for index in range(len(media))]
        assert [one["media"]["chunk"] for one in media] == [str(1 + index) for index in range(len(media))]
        assert [one["media"]["timestamp"] for one in media] == [
            str(20 * index) for index in range(len(media))
        ]


async def test_both_tracks_come_apart(talks: Talks) -> None:
    async with Bot() as bot:
        talk, visit, sid = await _talk(talks, bot, track="both_tracks", heard=True, said=True)
        await visit.say_mu_law(sine(1500, 1.0), sid)
        await talk.call.peer.say(sine(500, 0.6))
        await visit.until(lambda: level(visit.mu_law("inbound")[-1600:], 500) > 5000)
        await visit.until(lambda: level(visit.mu_law("outbound")[:-800], 1500) > 1000)
        assert level(visit.mu_law("inbound"), 1500) < 100


async def test_the_caller_hears_what_the_server_says_and_its_mark_comes_back(talks: Talks) -> None:
    async with Bot() as bot:
        talk, visit, sid = await _talk(talks, bot)
        await visit.say_mu_law(sine(1200, 0.4), sid)
        await visit.tell({"event": "mark", "streamSid": sid, "mark": {"name": "said"}})
        sent = time.monotonic()
        await talk.call.until(lambda: level(talk.call.peer.recent(0.2), 1200) > 6000)
        await visit.until(lambda: bool(visit.events("mark")))
        assert visit.events("mark")[0]["mark"] == {"name": "said"}
        assert time.monotonic() - sent > 0.3


async def test_clear_silences_the_caller_and_returns_the_marks(talks: Talks) -> None:
    async with Bot() as bot:
        talk, visit, sid = await _talk(talks, bot)
        peer = talk.call.peer
        await visit.say_mu_law(sine(900, 30.0), sid)
        await visit.tell({"event": "mark", "streamSid": sid, "mark": {"name": "never"}})
        await talk.call.until(lambda: level(peer.recent(0.1), 900) > 6000)
        asked = time.monotonic()
        await visit.tell({"event": "clear", "streamSid": sid})
        await talk.call.until(lambda: level(peer.recent(0.06), 900) < 50)
        assert time.monotonic() - asked < 1.0
        await visit.until(lambda: bool(visit.events("mark")))


async def test_keys_are_told_and_the_end_is_said(talks: Talks) -> None:
    async with Bot() as bot:
        talk, visit, sid = await _talk(talks, bot)
        talk.stream.press("5")
        await visit.until(lambda: bool(visit.events("dtmf")))
        talk.stream.stop()
        assert (await talk.end()).end is StreamEnd.STOPPED
        async with asyncio.timeout(3):
            await visit.closed.wait()
        assert visit.events("dtmf")[0]["dtmf"] == {"track": "inbound_track", "digit": "5"}
        assert visit.texts[-1]["event"] == "stop"
        assert visit.texts[-1]["streamSid"] == sid


async def test_a_stream_that_only_listens_plays_nothing(talks: Talks) -> None:
    async with Bot() as bot:
        talk, visit, sid = await _talk(talks, bot, plays=False)
        await visit.say_mu_law(sine(900, 0.4), sid)
        await talk.call.peer.say(sine(500, 0.5))
        assert level(talk.call.peer.heard(), 900) < 50
        talk.stream.stop()
        assert (await talk.end()).passed_over == 1


async def test_a_message_for_another_stream_is_passed_over(talks: Talks) -> None:
    async with Bot() as bot:
        talk, visit, _ = await _talk(talks, bot)
        await visit.tell({"event": "clear", "streamSid": "MZ" + "0" * 32})
        await visit.socket.send_bytes(b"\x00" * 320)
        talk.stream.stop()
        assert (await talk.end()).passed_over == 2
