"""The work of a tick is done over arrays: nothing is made for a packet, and nothing is kept."""

import gc
import math
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType

import pytest

from sautikitd.voice.media.plane import Plane
from sautikitd.voice.media.protocol import RemoteMedia
from sautikitd.voice.media.wire.ports import Ports
from voice.media.rtp_peer import Peer, sine

SETTLING = 600  # ticks: every leg has sent and heard a report twice, and the buffers have found their depth


class Talk:
    """Legs to which one far end each sends 20 ms of sound a tick."""

    def __init__(self, legs: int) -> None:
        self.plane = Plane(Ports("127.0.0.1", 0, 0), lambda _: None, capacity=legs, silent_after_s=3600)
        self._peers = [self._open(str(number)) for number in range(legs)]
        self._datagrams = [peer.frames(sine(440, 40.0)) for peer in self._peers]
        self._tick = 0

    def _open(self, leg_id: str) -> Peer:
        local, peer = self.plane.open_leg(leg_id), Peer()
        peer.to = (local.address, local.rtp_port)
        remote = RemoteMedia(address="127.0.0.1", rtp_port=peer.port, dtmf_payload_type=101)
        self.plane.configure_leg(leg_id, remote)
        return peer

    def speak(self) -> None:
        for peer, datagrams in zip(self._peers, self._datagrams, strict=True):
            peer.transmit(datagrams[self._tick])
        self._tick += 1

    def report_never(self) -> None:
        for number in range(len(self._peers)):
            self.plane.leg(str(number)).control.due_at = math.inf

    async def close(self) -> None:
        await self.plane.close()
        for peer in self._peers:
            peer.close()


async def calls_of_a_tick(legs: int) -> int:
    """Functions called in the usual tick, of Python and of C."""
    talk = Talk(legs)
    talk.report_never()  # that is done for each leg, once in five seconds
    counts = []
    for _ in range(40):
        talk.speak()
        with counted() as count:
            talk.plane.tick()
        counts.append(count[0])
    await talk.close()
    return min(counts[10:])


@contextmanager
def counted() -> Iterator[list[int]]:
    count = [0]

    def note(frame: FrameType, event: str, argument: object) -> None:
        count[0] += event in ("call", "c_call")

    sys.setprofile(note)
    try:
        yield count
    finally:
        sys.setprofile(None)


async def test_a_tick_does_the_same_for_a_hundred_legs_as_for_ten() -> None:
    few, many = await calls_of_a_tick(10), await calls_of_a_tick(100)
    # Of the legs some in each tick are looked at one by one, so that each is once in a second.
    assert many - few <= 20


@pytest.mark.slow
async def test_a_thousand_ticks_leave_nothing_behind() -> None:
    legs = 10
    talk = Talk(legs)
    for _ in range(SETTLING):
        talk.speak()
        talk.plane.tick()
    gc.collect()
    before = sys.getallocatedblocks()
    for _ in range(1000):
        talk.speak()
        talk.plane.tick()
    gc.collect()
    left = sys.getallocatedblocks() - before
    await talk.close()
    assert left < 100  # ten thousand packets came, and as many went
