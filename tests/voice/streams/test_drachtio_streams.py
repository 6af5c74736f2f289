"""Streams in drachtio's protocol, driven both ways by a WebSocket server and an RTP peer."""

import asyncio
import base64
import time

import numpy as np
import pytest

from sautikitd.flow.streams import StreamEnd
from voice.media.rtp_peer import level, sine
from voice.streams.bot import Bot
from voice.streams.talk import Talks

pytestmark = pytest.mark.asyncio(loop_scope="module")


async def test_what_the_caller_says_arrives_as_raw_samples(talks: Talks) -> None:
    async with Bot() as bot:
        talk = await talks.talk(bot.url, metadata={"customer": "wanjiru"})
        visit = await bot.visit()
        await talk.call.peer.say(sine(700, 0.5))
        await visit.until(lambda: level(visit.pcm()[-1600:], 700) > 5000)
        first = visit.frames[0][1]
        assert isinstance(first, str)
        facts = visit.texts[0]
        assert (facts["callId"], facts["from"], facts["sampleRate"]) == (
            talk.opening.call_id,
            "+254712000001",
            8000,
        )
        assert facts["customer"] == "wanjiru"
        assert {len(frame) for _, frame in visit.frames[1:]} == {320}


async def test_at_sixteen_kilohertz_a_frame_has_640_bytes_and_the_same_tone(talks: Talks) -> None:
    async with Bot() as bot:
        talk = await talks.talk(bot.url, sent_rate=16000)
        visit = await bot.visit()
        await talk.call.peer.say(sine(700, 0.5))
        # `level` reckons with 8 kHz: at 16 the tone stands at half its number.
        await visit.until(lambda: level(visit.pcm()[-3200:], 350) > 5000)
        assert {len(frame) for _, frame in visit.frames[1:]} == {640}


@pytest.mark.parametrize("rate", [8000, 16000])
async def test_what_the_server_says_is_heard_by_the_caller(talks: Talks, rate: int) -> None:
    async with Bot() as bot:
        talk = await talks.talk(bot.url, played_rate=rate)
        visit = await bot.visit()
        times = np.arange(int(rate * 0.4)) / rate
        await visit.say(8000 * np.sin(2 * np.pi * 1200 * times))
        peer = talk.call.peer
        await talk.call.until(lambda: level(peer.recent(0.2), 1200) > 6000)
        await talk.call.until(lambda: level(peer.recent(0.1), 1200) < 100)
        loud = [
            level(frame, 1200) > 4000
            for frame in peer.heard()[: len(peer.heard()) // 160 * 160].reshape(-1, 160)
        ]
        assert 19 <= sum(loud) <= 21


async def test_both_tracks_are_the_sum_of_what_is_heard_and_said(talks: Talks) -> None:
    async with Bot() as bot:
        talk = await talks.talk(bot.url, track="both_tracks", heard=True, said=True)
        visit = await bot.visit()
        await visit.say(sine(1500, 1.0, amplitude=6000))
        await talk.call.peer.say(sine(500, 0.6, amplitude=6000))
        heard = visit.pcm
        await visit.until(lambda: level(heard()[-1600:], 500) > 4000 and level(heard()[-1600:], 1500) > 4000)


async def test_kill_audio_silences_the_caller_within_forty_milliseconds(talks: Talks) -> None:
    async with Bot() as bot:
        talk = await talks.talk(bot.url)
        visit = await bot.visit()
        await visit.say(sine(900, 20.0))
        peer = talk.call.peer
        await talk.call.until(lambda: level(peer.recent(0.1), 900) > 6000)
        delays = []
        for _ in range(3):
            await visit.say(sine(900, 20.0))
            await talk.call.until(lambda: level(peer.recent(0.1), 900) > 6000)
            asked = time.monotonic()
            await visit.tell({"type": "killAudio"})
            await talk.call.until(lambda: level(peer.recent(0.06), 900) < 50)
            loud = [one for one in peer.audio if one.at > asked and len(set(one.payload)) > 2]
            delays.append(max((one.at for one in loud), default=asked) - asked)
        assert min(delays) < 0.040  # how often it is longer on a busy machine, bench/streams.py tells


async def test_marks_come_back_when_their_audio_was_played_or_cleared(talks: Talks) -> None:
    async with Bot() as bot:
        await talks.talk(bot.url)
        visit = await bot.visit()
        await visit.say(sine(900, 0.2))
        await visit.tell({"type": "mark", "data": {"name": "greeting"}})
        sent = time.monotonic()
        await visit.until(lambda: len(visit.events("mark")) == 1)
        assert time.monotonic() - sent > 0.15
        await visit.say(sine(900, 20.0))
        await visit.tell({"type": "mark", "data": {"name": "story"}})
        await visit.tell({"type": "killAudio"})
        await visit.until(lambda: len(visit.events("mark")) == 2)
        assert [mark["data"] for mark in visit.events("mark")] == [
            {"name": "greeting", "event": "playout"},
            {"name": "story", "event": "cleared"},
        ]


async def test_play_audio_plays_base64(talks: Talks) -> None:
    async with Bot() as bot:
        talk = await talks.talk(bot.url)
        visit = await bot.visit()
        content = base64.b64encode(sine(1300, 0.4).astype("<i2").tobytes()).decode()
        data = {"audioContentType": "raw", "sampleRate": 8000, "audioContent": content}
        await visit.tell({"type": "playAudio", "data": data})
        await talk.call.until(lambda: level(talk.call.peer.recent(0.2), 1300) > 6000)


async def test_keys_are_told(talks: Talks) -> None:
    async with Bot() as bot:
        talk = await talks.talk(bot.url)
        visit = await bot.visit()
        talk.stream.press("7")
        await visit.until(lambda: bool(visit.events("dtmf")))
        assert visit.events("dtmf")[0]["dtmf"] == "7"


async def test_the_stream_is_over_when_the_server_closes_the_socket(talks: Talks) -> None:
    async with Bot() as bot:
        talk = await talks.talk(bot.url)
        visit = await bot.visit()
        await visit.until(lambda: len(visit.frames) > 3)
        await visit.leave()
        end = await talk.end()
        assert (end.end, end.error) == (StreamEnd.CLOSED, "")
        assert end.sent >= 3
        await talk.call.until(lambda: True)
        async with asyncio.timeout(2):
            while (await talk.call.media.gauges()).forks:
                await asyncio.sleep(0.01)


async def test_the_server_may_end_the_stream_by_a_message(talks: Talks) -> None:
    async with Bot() as bot:
        talk = await talks.talk(bot.url)
        visit = await bot.visit()
        await visit.tell({"type": "disconnect"})
        assert (await talk.end()).end is StreamEnd.CLOSED


async def test_a_server_that_fails_ends_the_stream_with_its_code(talks: Talks) -> None:
    async with Bot() as bot:
        talk = await talks.talk(bot.url)
        visit = await bot.visit()
        await visit.leave(code=1011)
        end = await talk.end()
        assert end.end is StreamEnd.FAILED
        assert "1011" in end.error


async def test_the_end_of_the_leg_closes_the_socket(talks: Talks) -> None:
    async with Bot() as bot:
        talk = await talks.talk(bot.url)
        visit = await bot.visit()
        await talk.call.media.close_leg(talk.call.leg_id)
        assert (await talk.end()).end is StreamEnd.STOPPED
        async with asyncio.timeout(3):
            await visit.closed.wait()
        assert visit.close_code == 1000


async def test_messages_that_make_no_sense_are_counted_and_change_nothing(talks: Talks) -> None:
    async with Bot() as bot:
        talk = await talks.talk(bot.url)
        visit = await bot.visit()
        for nonsense in ("{", "[]", '{"type": "fly"}', '{"type":"mark"}', '{"type":"playAudio","data":{}}'):
            await visit.socket.send_str(nonsense)
        await visit.say(sine(900, 0.4))
        await talk.call.until(lambda: level(talk.call.peer.recent(0.2), 900) > 6000)
        talk.stream.stop()
        end = await talk.end()
        assert end.passed_over == 5
        assert end.first_fault
