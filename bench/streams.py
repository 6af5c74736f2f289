"""Measures streams: `PYTHONPATH=src python bench/streams.py [streams] [protocol]`.

A media process and a stream process carry so many calls, each with a stream both ways; the WebSocket server and the
phones run in this process. Printed are what the way between a phone and the socket adds (the jitter buffer's 40 ms
included in mouth to socket), how fast a barge-in is heard, and what both processes cost. The load generator shares the machine.
"""

import asyncio
import itertools
import os
import statistics
import sys
import time
from pathlib import Path

import numpy as np
import uvloop

sys.path.insert(0, str(Path(__file__).parent.parent / "tests"))

from sautikitd.flow.streams import StreamProtocol
from sautikitd.voice.media.client import MediaClient
from sautikitd.voice.streams.client import StreamClient
from voice.media.call import Calls
from voice.media.rtp_peer import Peer, sine
from voice.streams.bot import Bot, Visit
from voice.streams.talk import Talk, Talks

ROUNDS = 40
SECONDS = 10.0


async def main(count: int, protocol: StreamProtocol) -> None:
    media = await MediaClient.spawn(bind_address="127.0.0.1", port_range=(0, 0), capacity=count + 8)
    streams = StreamClient(allow_private=True)
    talks = Talks(Calls(media), streams)
    subprotocols = ("audio.drachtio.org",) if protocol is StreamProtocol.DRACHTIO else ()
    async with Bot(subprotocols=subprotocols) as bot:
        pairs = []
        for _ in range(count):
            talk = await talks.talk(bot.url, protocol)
            pairs.append((talk, await bot.visit()))
        mouths = [Mouth(talk.call.peer) for talk, _ in pairs]
        talking = [asyncio.ensure_future(mouth.run()) for mouth in mouths]
        await asyncio.sleep(1)
        cost = _Cost(media.pid, streams.pid or 0)
        await asyncio.sleep(SECONDS)
        media_share, stream_share = cost.shares()
        print(
            f"{count} streams, {protocol.value}: media process {media_share:.1f} % of a core, stream process {stream_share:.1f} %"
        )
        if protocol is StreamProtocol.DRACHTIO:
            _tell("mouth to socket", [await _to_socket(mouths[0], pairs[0][1]) for _ in range(ROUNDS)])
            _tell("socket to ear", [await _to_ear(*pairs[0]) for _ in range(ROUNDS)])
            _tell("killAudio to silence", [await _to_silence(*pairs[0]) for _ in range(ROUNDS)])
        for task in talking:
            task.cancel()
        await asyncio.gather(*talking, return_exceptions=True)
        await talks.close()
    await streams.close()
    await media.close()


class Mouth:
    """A phone that sends a packet every 20 ms, as phones do: silence, or the sound that was asked for."""

    def __init__(self, peer: Peer) -> None:
        self._peer = peer
        self._silence, self._sound = sine(500, 0.02, amplitude=0), sine(500, 0.02)
        self._left = 0
        self._begun: asyncio.Future[float] | None = None

    def say(self, packets: int) -> "asyncio.Future[float]":
        """The moment at which the first of them leaves."""
        self._left = packets
        self._begun = asyncio.get_running_loop().create_future()
        return self._begun

    async def run(self) -> None:
        start = time.monotonic()
        for tick in itertools.count():
            await asyncio.sleep(max(0.0, start + tick * 0.02 - time.monotonic()))
            (datagram,) = self._peer.frames(self._sound if self._left else self._silence)
            if self._begun is not None:
                self._begun.set_result(time.monotonic())
                self._begun = None
            self._left = max(0, self._left - 1)
            self._peer.transmit(datagram)


async def _to_socket(mouth: Mouth, visit: Visit) -> float:
    """From the first packet of a sound to the frame that holds its beginning."""
    await asyncio.sleep(0.3)
    seen = len(visit.frames)
    begun = await mouth.say(10)
    await visit.until(lambda: any(_loud(frame) for _, frame in visit.frames[seen:]))
    return next(at for at, frame in visit.frames[seen:] if _loud(frame)) - begun


async def _to_ear(talk: Talk, visit: Visit) -> float:
    peer = talk.call.peer
    seen, begun = len(peer.audio), time.monotonic()
    await visit.say(sine(900, 0.2))
    await talk.call.until(lambda: any(len(set(one.payload)) > 4 for one in peer.audio[seen:]))
    heard = next(one.at for one in peer.audio[seen:] if len(set(one.payload)) > 4) - begun
    await asyncio.sleep(0.3)
    return heard


async def _to_silence(talk: Talk, visit: Visit) -> float:
    """From the message to the last packet with sound in it."""
    peer = talk.call.peer
    seen = len(peer.audio)
    await visit.say(sine(900, 20))
    await talk.call.until(lambda: any(len(set(one.payload)) > 4 for one in peer.audio[seen:]))
    asked = time.monotonic()
    await visit.tell({"type": "killAudio"})
    await asyncio.sleep(0.2)
    return (
        max((one.at for one in peer.audio if len(set(one.payload)) > 4), default=asked) - asked
    )  # negative: none was


def _loud(frame: str | bytes) -> bool:
    return isinstance(frame, bytes) and int(np.abs(np.frombuffer(frame, "<i2")).max()) > 1000


def _tell(what: str, seconds: list[float]) -> None:
    milliseconds = sorted(1000 * one for one in seconds)
    worst = milliseconds[int(len(milliseconds) * 0.95)]
    print(f"{what}: p50 {statistics.median(milliseconds):.1f} ms, p95 {worst:.1f} ms")


class _Cost:
    """CPU time of two processes since it was made."""

    def __init__(self, *pids: int) -> None:
        self._pids = pids
        self._begun = time.monotonic()
        self._before = [_ticks(pid) for pid in pids]

    def shares(self) -> list[float]:
        ticks_a_percent = (time.monotonic() - self._begun) * os.sysconf("SC_CLK_TCK") / 100
        return [
            (_ticks(pid) - before) / ticks_a_percent
            for pid, before in zip(self._pids, self._before, strict=True)
        ]


def _ticks(pid: int) -> int:
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return int(fields[11]) + int(fields[12])


if __name__ == "__main__":
    wanted = int(sys.argv[1]) if len(sys.argv) > 1 else 20
    spoken = StreamProtocol(sys.argv[2]) if len(sys.argv) > 2 else StreamProtocol.DRACHTIO
    uvloop.run(main(wanted, spoken))
