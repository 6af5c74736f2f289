"""Digits both ways: each press once, whatever happens to its packets."""

import itertools
import random
import struct

import pytest

from sautikitd.voice.media.protocol import DigitReceived, Dtmf, PlayFinished, Tone
from voice.media.call import Call, Calls
from voice.media.rtp_peer import level, sine

pytestmark = pytest.mark.asyncio(loop_scope="module")

KEYS = "1590#*ABCD"
TONES = {
    "1": (697, 1209),
    "5": (770, 1336),
    "9": (852, 1477),
    "0": (941, 1336),
    "#": (941, 1477),
    "D": (941, 1633),
}


async def digits(call: Call, count: int) -> str:
    await call.until(lambda: len(call.all(DigitReceived)) >= count)
    return "".join(event.digit for event in call.all(DigitReceived))


@pytest.mark.parametrize("payload_type", [96, 101, 127])
async def test_pressed_keys_arrive_once_each_in_order(calls: Calls, payload_type: int) -> None:
    call = await calls.call(dtmf=payload_type)
    await call.peer.pace([made for key in KEYS for made in call.peer.press(key)], 0.005)
    assert await digits(call, len(KEYS)) == KEYS
    assert [event.duration_ms for event in call.all(DigitReceived)] == [100] * len(KEYS)


async def test_loss_doubling_and_reordering_neither_double_nor_lose_a_key(calls: Calls) -> None:
    call = await calls.call()
    chance = random.Random(11)
    keys = "112233445566778899"
    sent: list[bytes] = []
    for key in keys:
        made = call.peer.press(key)
        kept = [one for one in made if chance.random() > 0.3] or made[-1:]
        kept += [one for one in kept if chance.random() < 0.3]
        sent += sorted(kept, key=lambda one: struct.unpack("!H", one[2:4])[0] + chance.uniform(0, 3))
    for index in range(4, len(sent) - 1, 5):
        sent[index], sent[index + 1] = sent[index + 1], sent[index]
    await call.peer.pace(sent, 0.005)
    await call.until(lambda: len(call.all(DigitReceived)) >= len(keys))
    await call.peer.say(sine(300, 0.4))
    assert await digits(call, len(keys)) == keys


async def test_a_key_whose_end_is_lost_still_counts(calls: Calls) -> None:
    call = await calls.call()
    await call.peer.pace(call.peer.press("7")[:4])
    assert await digits(call, 1) == "7"


async def test_a_very_long_press_is_one_press(calls: Calls) -> None:
    call = await calls.call()
    start = call.peer.timestamp
    parts = [(0, 0, 65000), (0, 0, 65535), (65535, 0, 1000), (65535, 0x80, 8000)]
    for offset, end, duration in parts:
        call.peer.timestamp = start + offset
        payload = struct.pack("!BBH", 5, end | 10, duration)
        call.peer.transmit(call.peer.datagram(payload, payload_type=101))
    assert await digits(call, 1) == "5"
    assert call.all(DigitReceived)[0].duration_ms == (65535 + 8000) // 8


async def test_sent_digits_are_proper_events_in_the_middle_of_a_play(calls: Calls) -> None:
    call = await calls.call(dtmf=110)
    await calls.media.play(call.leg_id, "p1", [Tone(frequencies=(440.0,), duration_ms=300)])
    await call.until(lambda: level(call.peer.recent(0.06), 440) > 10_000)
    await calls.media.send_digits(call.leg_id, "15#")
    await call.event(PlayFinished)
    assert [key for _, key in call.peer.presses()] == list("15#")
    events = [packet for packet in call.peer.packets if packet.payload_type == 110]
    for _, group in itertools.groupby(events, key=lambda packet: packet.timestamp):
        press = list(group)
        fields = [struct.unpack("!BBH", packet.payload) for packet in press]
        assert [packet.marker for packet in press] == [True] + [False] * 6
        assert [duration for _, _, duration in fields] == [160, 320, 480, 640, 800, 800, 800]
        assert [bool(flags & 0x80) for _, flags, _ in fields] == [False] * 4 + [True] * 3
    sequences = [packet.sequence for packet in call.peer.packets]
    assert all((after - before) & 0xFFFF == 1 for before, after in itertools.pairwise(sequences))
    tone = sum(level(packet_audio, 440) > 10_000 for packet_audio in call.peer.heard().reshape(-1, 160))
    assert abs(tone - 15) <= 1  # the play waited, and lost nothing


async def test_digits_of_a_play_wait_as_told(calls: Calls) -> None:
    call = await calls.call()
    await calls.media.play(
        call.leg_id, "p1", [Dtmf(digits="1w2"), Tone(frequencies=(440.0,), duration_ms=60)]
    )
    await call.event(PlayFinished)
    (first, one), (second, two) = call.peer.presses()
    assert (one, two) == ("1", "2")
    assert 650 <= ((second - first) & 0xFFFFFFFF) / 8 <= 750
    assert level(call.peer.recent(0.06), 440) > 5000


async def test_without_telephone_event_keys_are_heard_in_the_tones(calls: Calls) -> None:
    call = await calls.call(dtmf=None)
    for key, (low, high) in TONES.items():
        await call.peer.say(sine(low, 0.08, 4000) + sine(high, 0.08, 4000))
        await call.peer.say(sine(1, 0.06, 0))
        await digits(call, list(TONES).index(key) + 1)
    assert await digits(call, len(TONES)) == "".join(TONES)


async def test_speech_like_sounds_are_no_keys(calls: Calls) -> None:
    call = await calls.call(dtmf=None)
    vowel = sum((sine(140 * harmonic, 1.0, 5000 / harmonic) for harmonic in range(1, 20)), sine(1, 1.0, 0))
    await call.peer.say(vowel)
    await call.peer.say(sine(697, 0.2) + sine(770, 0.2))
    assert call.all(DigitReceived) == []


async def test_without_telephone_event_digits_are_sent_as_tones(calls: Calls) -> None:
    call = await calls.call(dtmf=None)
    await calls.media.send_digits(call.leg_id, "5")
    await call.until(lambda: level(call.peer.recent(0.06), 1336) > 6000)
    assert level(call.peer.recent(0.06), 770) > 6000


async def test_tones_are_not_listened_to_where_events_were_agreed(calls: Calls) -> None:
    call = await calls.call(dtmf=101)
    await call.peer.say(sine(770, 0.2, 4000) + sine(1336, 0.2, 4000))
    assert call.all(DigitReceived) == []
