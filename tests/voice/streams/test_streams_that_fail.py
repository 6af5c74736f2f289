"""Servers that refuse, are not there, or do not read; and the loss of the stream process."""

import asyncio
import os
import signal
import socket

import pytest

from sautikitd.flow.streams import StreamEnd
from sautikitd.voice.media.forks import link as fork_link
from voice.media.rtp_peer import level, sine
from voice.streams.bot import Bot
from voice.streams.talk import Talks

pytestmark = pytest.mark.asyncio(loop_scope="module")


async def _failure(talks: Talks, url: str) -> str:
    stream, _ = await talks.order(url)
    async with asyncio.timeout(20):
        assert not await stream.opened
        end = await stream.ended
    assert end.end is StreamEnd.FAILED
    return end.error


async def test_a_server_that_refuses_is_asked_once(talks: Talks) -> None:
    async with Bot(status=403) as bot:
        assert "403" in await _failure(talks, bot.url)
        assert bot.asked == 1


async def test_a_server_without_the_subprotocol_is_no_partner(talks: Talks) -> None:
    async with Bot(subprotocols=()) as bot:
        assert "audio.drachtio.org" in await _failure(talks, bot.url)


async def test_a_redirect_is_not_followed(talks: Talks) -> None:
    async with Bot() as other, Bot(redirect=other.url.replace("ws://", "http://")) as bot:
        assert "redirect" in await _failure(talks, bot.url)
        assert other.asked == 0


async def test_nobody_there_is_an_error(talks: Talks) -> None:
    assert "cannot be reached" in await _failure(talks, "ws://127.0.0.1:9/none")


async def test_a_plain_url_is_refused(talks: Talks) -> None:
    assert "ws" in await _failure(talks, "http://127.0.0.1:9/none")


async def test_a_server_that_does_not_read_costs_the_oldest_frames_and_disturbs_nobody(talks: Talks) -> None:
    async with Bot(reads=False) as stuck, Bot() as bot:
        stream, _ = await talks.order(stuck.url, sent_rate=16000)
        assert await stream.opened
        # The media process's place is taken, to send faster than time goes.
        with socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET) as media:
            media.connect(str(talks.streams.path))
            media.send(stream.stream_id.encode())
            frame = fork_link.pack_frame(bytes(320), b"", 0, 0)
            await asyncio.to_thread(lambda: [media.send(frame) for _ in range(3000)])
            talk = await talks.talk(bot.url)
            visit = await bot.visit()
            await talk.call.peer.say(sine(700, 0.4))
            await visit.until(lambda: level(visit.pcm()[-1600:], 700) > 5000)
            stream.stop()
            async with asyncio.timeout(20):
                end = await stream.ended
        assert end.dropped > 1000
        assert end.sent + end.dropped <= 3001


async def test_a_stream_process_that_stands_still_costs_frames_and_no_packet(talks: Talks) -> None:
    async with Bot() as bot:
        talk = await talks.talk(bot.url)
        visit = await bot.visit()
        await visit.until(lambda: len(visit.frames) > 3)
        pid = talks.streams.pid
        assert pid
        before = len(talk.call.peer.packets)
        os.kill(pid, signal.SIGSTOP)
        await talk.call.until(lambda: len(talk.call.peer.packets) > before + 150)
        seen = len(visit.frames)
        os.kill(pid, signal.SIGCONT)
        await visit.until(
            lambda: len(visit.frames) > seen + 120
        )  # one that came after those that found no room
        packets = talk.call.peer.packets[before : before + 150]
        assert packets[-1].at - packets[0].at == pytest.approx(149 * 0.02, abs=0.3)
        talk.stream.stop()
        assert (await talk.end()).missed > 0


async def test_a_lost_stream_process_ends_its_streams_and_not_the_call(talks: Talks) -> None:
    async with Bot() as bot:
        talk = await talks.talk(bot.url)
        await bot.visit()
        assert talks.streams.pid
        os.kill(talks.streams.pid, signal.SIGKILL)
        end = await talk.end()
        assert (end.end, end.error) == (StreamEnd.FAILED, "the stream process was lost")
        before = len(talk.call.peer.packets)
        await talk.call.until(lambda: len(talk.call.peer.packets) > before + 10)
        again = await talks.talk(bot.url)
        visit = await bot.visit()
        await again.call.peer.say(sine(700, 0.4))
        await visit.until(lambda: level(visit.pcm()[-1600:], 700) > 5000)
