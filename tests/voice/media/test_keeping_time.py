"""A recording keeps time over a minute, whatever the far end's clock and the network do: a plane driven tick by tick
through 3,000 ticks, faster than life."""

from pathlib import Path

import numpy as np
import pytest

from sautikitd.voice.media.plane import Plane
from sautikitd.voice.media.protocol import RemoteMedia, StartRecording
from sautikitd.voice.media.wire.ports import Ports
from voice.media.rtp_peer import Peer, Samples, level, sine
from voice.media.sound_file import read_wav

TICKS = 3000
MARK_S = 5  # a tone of 200 ms begins each five seconds


def marked() -> Samples:
    spoken = 300 * np.random.default_rng(1).standard_normal(TICKS * 160)
    for start in range(MARK_S * 8000, len(spoken), MARK_S * 8000):
        spoken[start : start + 1600] += sine(900, 0.2)
    return spoken


def marks(heard: Samples) -> list[float]:
    """Seconds at which a tone begins, to 5 ms."""
    loud = [level(heard[at : at + 160], 900) > 3000 for at in range(0, len(heard) - 160, 40)]
    begins = [
        index for index in range(1, len(loud)) if loud[index] and not any(loud[max(0, index - 60) : index])
    ]
    return [index * 0.005 for index in begins]


@pytest.mark.parametrize(("skew", "loss", "jitter_ms"), [(-1e-4, 0.0, 5.0), (1e-4, 0.03, 30.0)])
async def test_a_minute_is_a_minute(tmp_path: Path, skew: float, loss: float, jitter_ms: float) -> None:
    plane = Plane(Ports("127.0.0.1", 0, 0), lambda _: None, capacity=1, silent_after_s=3600)
    peer = Peer()
    local = plane.open_leg("a")
    peer.to = (local.address, local.rtp_port)
    plane.configure_leg("a", RemoteMedia(address="127.0.0.1", rtp_port=peer.port, dtmf_payload_type=101))
    path = tmp_path / "r.wav"
    order = StartRecording(
        leg_id="a",
        recording_id="r",
        path=str(path),
        channels=1,
        max_ms=100_000,
        silence_ms=None,
        trim_silence=False,
        include_sent=False,
    )
    await plane.record(order)
    chance = np.random.default_rng(4)
    due = np.arange(TICKS) * 20.0 * (1 + skew) + chance.random(TICKS) * jitter_ms
    datagrams = peer.frames(marked())
    waiting = [int(index) for index in np.argsort(due) if chance.random() >= loss]
    position = 0
    for tick in range(TICKS):
        while position < len(waiting) and due[waiting[position]] <= tick * 20 + 1:
            peer.transmit(datagrams[waiting[position]])
            position += 1
        plane.tick()
    await plane.close()
    peer.close()
    heard = read_wav(path)[0]
    assert abs(len(heard) / 8000 - 60) < 0.04
    found = marks(heard)
    assert len(found) == 60 // MARK_S - 1
    drift = (found[-1] - found[0]) - (60 - 2 * MARK_S) * (1 + skew)
    assert abs(drift) < 0.04
