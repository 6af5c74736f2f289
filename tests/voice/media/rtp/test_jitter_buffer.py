"""The depth of the jitter buffer follows the jitter: what comes late, and how long the audio waits."""

import numpy as np
import pytest
from numpy.typing import NDArray

from voice.media.resemblance import likeness
from voice.media.rtp_peer import Samples
from voice.media.stream import Heard, speech, through_the_buffer

PACKETS = 1200  # 24 seconds


@pytest.fixture(scope="module")
def spoken() -> Samples:
    made = speech(
        "Welcome. To hear your balance, press one. To speak with an agent, please stay on the line."
    )
    return np.tile(made, 40)[: PACKETS * 160]


def arrivals(jitter_ms: float, *, skew: float = 0.0) -> NDArray[np.float64]:
    chance = np.random.default_rng(11)
    made: NDArray[np.float64] = (
        np.arange(PACKETS) * 20.0 * (1 + skew) + 7 + chance.random(PACKETS) * jitter_ms
    )
    return made


def late_share(heard: Heard) -> float:
    return heard.late / PACKETS


@pytest.mark.parametrize(("jitter_ms", "most_ms"), [(0, 20), (15, 30), (30, 40), (45, 50), (60, 60)])
def test_it_is_as_deep_as_the_jitter_asks_for(spoken: Samples, jitter_ms: float, most_ms: float) -> None:
    heard = through_the_buffer(spoken, arrivals(jitter_ms))
    assert late_share(heard) < 0.01
    assert np.mean(heard.depth_ms[250:]) <= most_ms  # of mean wait, after the first five seconds


def test_a_network_that_gets_slower_is_followed_at_once_and_back_within_seconds(spoken: Samples) -> None:
    slow = (np.arange(PACKETS) >= 300) & (np.arange(PACKETS) < 600)
    heard = through_the_buffer(spoken, arrivals(10) + 120.0 * slow)
    assert heard.late <= 5
    assert np.mean(heard.depth_ms[-100:]) < 30


@pytest.mark.parametrize("skew", [1e-4, -1e-4, 1e-3])
def test_a_clock_that_is_off_is_followed(spoken: Samples, skew: float) -> None:
    heard = through_the_buffer(spoken, arrivals(10, skew=skew))
    assert heard.late <= 5
    assert heard.depth_ms[-1] < 40


def test_time_is_stretched_where_it_does_not_hurt(spoken: Samples) -> None:
    chance = np.random.default_rng(2)
    swings = np.repeat(chance.random(PACKETS // 100) * 80, 100)  # a delay that changes every two seconds
    heard = through_the_buffer(spoken, arrivals(5) + swings)
    assert late_share(heard) < 0.03
    assert likeness(spoken[:32000], heard.samples[320:32320]) > 0.98


def test_reordered_and_doubled_packets_are_heard_once_and_in_order(spoken: Samples) -> None:
    came = arrivals(0)
    came[5::7], came[6::7] = came[6::7].copy(), came[5::7][: len(came[6::7])].copy()
    plain, mixed = through_the_buffer(spoken, arrivals(0)), through_the_buffer(spoken, came)
    assert mixed.late == 0
    assert likeness(plain.samples[:16000], mixed.samples[:16000]) > 0.999
