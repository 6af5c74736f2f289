"""What each number does when it is called, over real SIP and RTP."""

import asyncio
import wave
from pathlib import Path

import numpy as np
import pytest

from sautikitd.simulators.carrier.carrier import Carrier
from sautikitd.simulators.carrier.journal import Entry
from sautikitd.voice.sip.events import Answered, Failed, Progress, RemoteBye
from simulators.carrier.far_side import FarSide, WatchedClock, eventually
from voice.media.rtp_peer import Samples, level, sine

NUMBER = "+25470000"
LOUD = 500.0  # RMS of 32768; silence is below 10


def loudness(samples: Samples) -> float:
    return float(np.sqrt(np.mean(samples**2))) if len(samples) else 0.0


def is_speech(samples: Samples) -> bool:
    """Loud, and no single tone: nowhere near all of its power is in its strongest frequency."""
    power = np.abs(np.fft.rfft(samples * np.hanning(len(samples)))) ** 2
    strongest = int(np.argmax(power))
    near = power[max(0, strongest - 20) : strongest + 21].sum()
    return loudness(samples) > LOUD and bool(near < 0.8 * power.sum())


async def ended(carrier: Carrier) -> Entry:
    """The journal's entry of the only call, once it is over and nothing of it is left."""
    await eventually(lambda: bool(carrier.journal.ended) and carrier.legs == 0)
    return carrier.journal.ended[-1]


async def test_0001_answers_at_once(far_side: FarSide) -> None:
    phone = await far_side.call(NUMBER + "0001")
    await phone.answered()
    assert [type(event) for event in phone.events] == [Answered]


async def test_0002_rings_for_ten_seconds(far_side: FarSide, carrier: Carrier, clock: WatchedClock) -> None:
    phone = await far_side.call(NUMBER + "0002")
    progress = await phone.until(Progress)
    assert isinstance(progress, Progress)
    assert progress.code == 180
    await clock.asked_for(10)
    assert carrier.journal.current[0].answered_at is None
    clock.advance(10)
    await phone.answered()


@pytest.mark.parametrize(("last", "code"), [("0003", 486), ("0005", 603), ("0011", 503)])
async def test_refusing_numbers_refuse_with_their_code(
    far_side: FarSide, carrier: Carrier, last: str, code: int
) -> None:
    phone = await far_side.call(NUMBER + last)
    failed = await phone.until(Failed)
    assert isinstance(failed, Failed)
    assert (failed.code, failed.local, len(phone.events)) == (code, False, 1)
    assert (await ended(carrier)).sip_code == code


async def test_0004_rings_until_the_caller_gives_up(far_side: FarSide, carrier: Carrier) -> None:
    phone = await far_side.call(NUMBER + "0004")
    await phone.until(Progress)
    await phone.sip.hang_up()
    failed = await phone.until(Failed)
    assert isinstance(failed, Failed)
    assert failed.code == 487
    assert (await ended(carrier)).cause == "canceled"


async def test_0006_greets_and_beeps_like_a_voicemail(
    far_side: FarSide, carrier: Carrier, clock: WatchedClock
) -> None:
    phone = await far_side.call(NUMBER + "0006")
    await phone.until(Progress)
    await clock.pass_by(3)
    await phone.answered()
    await eventually(lambda: level(phone.peer.recent(0.3), 1000) > 5000)
    greeting = phone.peer.heard()[: -int(0.4 * 8000)]
    assert len(greeting) > 2 * 8000
    assert is_speech(greeting)
    await phone.peer.say(sine(440, 0.6))
    await phone.sip.hang_up()
    assert (await ended(carrier)).heard_ms == pytest.approx(800, abs=250)


async def test_0007_presses_1_when_the_prompt_is_over(far_side: FarSide, carrier: Carrier) -> None:
    phone = await far_side.call(NUMBER + "0007")
    await phone.answered()
    await phone.peer.say(sine(440, 0.7))
    prompt_over = asyncio.get_running_loop().time()
    await eventually(lambda: bool(phone.peer.presses()))
    waited = asyncio.get_running_loop().time() - prompt_over
    assert [key for _, key in phone.peer.presses()] == ["1"]
    assert 0.6 < waited < 3.0


@pytest.mark.parametrize(("last", "keys"), [("0007", "1"), ("0008", "1234#")])
async def test_keys_are_pressed_after_four_seconds_when_nothing_is_said(
    far_side: FarSide, clock: WatchedClock, last: str, keys: str
) -> None:
    phone = await far_side.call(NUMBER + last)
    await phone.answered()
    await clock.asked_for(4)
    assert phone.peer.presses() == []
    clock.advance(4)
    await eventually(lambda: len(phone.peer.presses()) == len(keys))
    assert "".join(key for _, key in phone.peer.presses()) == keys


async def test_0009_speaks_then_listens(far_side: FarSide, carrier: Carrier, clock: WatchedClock) -> None:
    phone = await far_side.call(NUMBER + "0009")
    await phone.answered()
    await clock.pass_by(0.5)
    await eventually(lambda: len(phone.peer.heard()) > 8000 and loudness(phone.peer.recent(0.5)) > LOUD)
    await eventually(lambda: loudness(phone.peer.recent(0.7)) < 10)
    assert is_speech(phone.peer.heard())
    await phone.press("42#")
    await phone.sip.hang_up()
    entry = await ended(carrier)
    assert entry.digits == "42#"
    assert entry.hung_up_by == "caller"


async def test_0010_hangs_up_three_seconds_after_its_answer(far_side: FarSide, clock: WatchedClock) -> None:
    phone = await far_side.call(NUMBER + "0010")
    await phone.answered()
    await clock.pass_by(3)
    await phone.until(RemoteBye)


async def test_0012_announces_before_any_answer_that_nobody_can_be_reached(far_side: FarSide) -> None:
    phone = await far_side.call(NUMBER + "0012")
    progress = await phone.until(Progress)
    assert isinstance(progress, Progress)
    assert progress.code == 183
    assert progress.sdp
    failed = await phone.until(Failed)
    assert isinstance(failed, Failed)
    assert failed.code == 480
    assert [(reason.protocol, reason.cause) for reason in failed.reasons] == [("Q.850", 20)]
    assert len(phone.peer.heard()) > 3 * 8000
    assert is_speech(phone.peer.heard())


async def test_any_other_number_rings_for_a_second_and_answers(
    far_side: FarSide, clock: WatchedClock
) -> None:
    phone = await far_side.call("0722000123")
    await phone.until(Progress)
    await clock.pass_by(1)
    await phone.answered()


async def test_every_call_ends_after_an_hour(far_side: FarSide, clock: WatchedClock) -> None:
    phone = await far_side.call(NUMBER + "0001")
    await phone.answered()
    for _ in range(2):  # one waits for keys, one listens
        await clock.asked_for(3600)
    clock.advance(3600)
    await phone.until(RemoteBye)


async def test_two_calls_at_once_are_heard_and_kept_apart(
    far_side: FarSide, carrier: Carrier, recordings: Path
) -> None:
    phones = [await far_side.call(NUMBER + "0001") for _ in range(2)]
    for phone in phones:
        await phone.answered()
    await eventually(lambda: len(list(recordings.iterdir())) == 2)
    await asyncio.gather(phones[0].peer.say(sine(440, 1.0)), phones[1].peer.say(sine(1200, 1.0)))
    await asyncio.gather(phones[0].press("12"), phones[1].press("34"))
    for phone in phones:
        await phone.sip.hang_up()
    await eventually(lambda: len(carrier.journal.ended) == 2)
    entries = sorted(carrier.journal.ended, key=lambda entry: entry.digits)
    assert [entry.digits for entry in entries] == ["12", "34"]
    for entry, own, other in zip(entries, (440, 1200), (1200, 440), strict=True):
        assert entry.recording is not None
        heard = heard_in(entry.recording)
        assert level(heard, own) > 20 * level(heard, other)
        assert entry.heard_ms == pytest.approx(1200, abs=300)


def heard_in(path: Path) -> Samples:
    """The left channel of a recording: what the carrier heard."""
    with wave.open(str(path)) as file:
        assert (file.getnchannels(), file.getframerate()) == (2, 8000)
        samples = np.frombuffer(file.readframes(file.getnframes()), "<i2").reshape(-1, 2)
    return samples[:, 0].astype(np.float64)
