"""The queue of audio that comes from outside."""

import numpy as np

from sautikitd.voice.media.sounding.playout import Playout

FRAME = 160


def _samples(value: int, count: int) -> np.ndarray:
    return np.full(count, value, np.int16)


def _read(queue: Playout) -> tuple[np.ndarray, int, list[str]]:
    out = np.empty(FRAME, np.int16)
    filled, marks = queue.read(out)
    return out, filled, marks


def test_a_burst_is_played_at_once_and_in_order() -> None:
    queue = Playout()
    queue.put(_samples(1, 100))
    queue.put(_samples(2, 400))
    out, filled, _ = _read(queue)
    assert filled == FRAME
    assert out.tolist() == [1] * 100 + [2] * 60


def test_a_sender_in_real_time_gets_forty_milliseconds_of_patience_first() -> None:
    queue = Playout()
    queue.put(_samples(1, FRAME))
    assert _read(queue)[1] == 0
    queue.put(_samples(2, FRAME))
    assert [_read(queue)[1], _read(queue)[1]] == [FRAME, FRAME]


def test_a_short_sound_is_not_held_back_for_ever() -> None:
    queue = Playout()
    queue.put(_samples(1, 80))
    assert [_read(queue)[1] for _ in range(4)] == [0, 0, 80, 0]


def test_a_mark_comes_back_when_the_audio_before_it_has_been_taken() -> None:
    queue = Playout()
    queue.put(_samples(1, 2 * FRAME))
    queue.mark("said")
    queue.put(_samples(2, FRAME))
    queue.mark("end")
    assert [_read(queue)[2] for _ in range(4)] == [[], ["said"], ["end"], []]


def test_a_mark_with_nothing_before_it_comes_back_at_once() -> None:
    queue = Playout()
    queue.mark("hello")
    assert _read(queue)[2] == ["hello"]


def test_clearing_forgets_audio_and_gives_the_marks_back() -> None:
    queue = Playout()
    queue.put(_samples(1, 10 * FRAME))
    queue.mark("never")
    _read(queue)
    assert queue.clear() == ["never"]
    assert _read(queue)[1] == 0
    assert queue.queued == 0


def test_more_than_fits_is_dropped_and_counted() -> None:
    queue = Playout(longest_s=1)
    queue.put(_samples(1, 8000))
    queue.put(_samples(2, 500))
    assert (queue.queued, queue.overflowed) == (8000, 500)
