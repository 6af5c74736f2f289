"""What is lost is filled so that an ear misses little: measured on speech, against leaving silence."""

import numpy as np
import pytest
from numpy.typing import NDArray

from sautikitd.voice.media.rtp.concealment import pitch_of
from voice.media.resemblance import distance_db
from voice.media.rtp_peer import Samples, sine
from voice.media.stream import as_sent, speech, through_the_buffer

DELAY = 320  # samples: the depth at which the buffer begins


@pytest.fixture(scope="module")
def spoken() -> Samples:
    made = speech("To speak with an agent about your account, please stay on the line. Karibu sana.")
    return made[: len(made) // 160 * 160]


def every_20_ms(count: int) -> NDArray[np.float64]:
    return np.linspace(0.0, 20.0 * count, count, endpoint=False)


def with_losses(spoken: Samples, share: float) -> tuple[Samples, Samples, Samples, list[int]]:
    """As sent, as heard with losses, the same with silence for what is lost, and the frames lost while speaking."""
    sent = as_sent(spoken)
    frames = sent.reshape(-1, 160)
    lost = np.random.default_rng(5).random(len(frames)) < share
    lost[0] = False
    arrivals = np.where(lost, np.nan, np.arange(len(frames)) * 20.0)
    heard = through_the_buffer(spoken, arrivals, adapts=False).samples[DELAY : DELAY + len(sent)]
    silenced = frames.copy()
    silenced[lost] = 0
    speaking = np.sqrt((frames**2).mean(axis=1)) > 200
    return sent, heard, silenced.reshape(-1), np.flatnonzero(lost & speaking).tolist()


@pytest.mark.parametrize("share", [0.05, 0.1])
def test_a_concealed_loss_is_nearer_to_the_speech_than_a_hole(spoken: Samples, share: float) -> None:
    sent, heard, silenced, lost = with_losses(spoken, share)
    windows = np.unique([2 * frame + near for frame in lost for near in (-1, 0, 1)])
    windows = windows[(windows >= 0) & (windows < len(sent) // 80 - 4)]
    concealed, holes = distance_db(sent, heard)[windows].mean(), distance_db(sent, silenced)[windows].mean()
    assert concealed < 0.8 * holes


def test_a_gap_begins_and_ends_without_a_click(spoken: Samples) -> None:
    sent, heard, silenced, lost = with_losses(spoken, 0.1)
    borders = [160 * frame + at for frame in lost for at in (0, 160) if 160 * frame + at < len(sent)]

    def steps(samples: Samples) -> float:
        return float(np.mean([abs(samples[border] - samples[border - 1]) for border in borders]))

    assert steps(heard) < 1.25 * steps(sent)
    assert steps(silenced) > 1.25 * steps(sent)


def test_a_vowel_goes_on_at_its_pitch() -> None:
    vowel = sine(130, 0.6, 4000) + sine(260, 0.6, 2500) + sine(390, 0.6, 1500)
    arrivals = every_20_ms(30)
    arrivals[15] = np.nan
    heard = through_the_buffer(vowel, arrivals, adapts=False).samples[DELAY:]
    hole, around = heard[15 * 160 : 16 * 160], as_sent(vowel)[15 * 160 : 16 * 160]
    assert np.corrcoef(hole, around)[0, 1] > 0.95


def test_a_long_gap_fades_to_silence_in_60_ms(spoken: Samples) -> None:
    arrivals = every_20_ms(60)
    arrivals[30:50] = np.nan
    heard = through_the_buffer(sine(200, 1.2), arrivals, adapts=False).samples[DELAY:]
    assert np.abs(heard[30 * 160 : 30 * 160 + 80]).max() > 7000
    assert not heard[30 * 160 + 480 : 50 * 160].any()


@pytest.mark.parametrize("period", [40, 57, 80, 101, 120])
def test_the_pitch_or_a_multiple_is_found_to_the_sample(period: int) -> None:
    pulses = np.zeros(400, np.float32)
    pulses[::period] = 1
    voice = np.convolve(pulses, np.exp(-np.arange(60) / 12), "full")[:400].astype(np.float32)
    assert int(pitch_of(1000 * voice[None])[0]) % period == 0


def test_nothing_is_repeated_before_anything_was_heard() -> None:
    arrivals: NDArray[np.float64] = np.full(20, np.nan)
    arrivals[12:] = every_20_ms(20)[12:]
    heard = through_the_buffer(sine(300, 0.4), arrivals, adapts=False).samples
    assert not heard[: DELAY - 160].any()
