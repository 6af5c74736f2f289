"""Which trunk a number goes over: prefixes, priorities, weights, health, room."""

import random
from collections import Counter
from datetime import UTC, datetime, timedelta
from uuid import UUID

from hypothesis import given, settings
from hypothesis import strategies as st

from sautikitd.trunks.choice import Room, Way, assign, ranked
from sautikitd.trunks.models import TrunkState

SAFARICOM, AIRTEL = "+254712345678", "+254733345678"
NOW = datetime(2026, 11, 24, tzinfo=UTC)


def way(number: int, **terms: object) -> Way:
    usual: dict[str, object] = {
        "prefixes": (),
        "priority": 10,
        "weight": 1,
        "state": TrunkState.OK,
        "max_channels": None,
        "max_cps": None,
    }
    return Way(id=UUID(int=number), **{**usual, **terms})  # type: ignore[arg-type]


def order(*ways: Way, to: str = SAFARICOM, without: tuple[UUID, ...] = ()) -> list[int]:
    return [one.id.int for one in ranked(ways, to, without=without, chance=random.Random(1))]


def test_the_longest_prefix_goes_first_whatever_the_priority() -> None:
    everything, kenya, safaricom = way(1, priority=0), way(2, prefixes=("254",)), way(3, prefixes=("25471",))
    assert order(everything, kenya, safaricom) == [3, 2, 1]
    assert order(everything, kenya, safaricom, to=AIRTEL) == [2, 1]
    assert order(kenya, safaricom, to="+442071838750") == []


def test_a_lower_priority_goes_before_a_higher_one() -> None:
    assert order(way(1, priority=20), way(2, priority=5), way(3, priority=10)) == [2, 3, 1]


def test_a_trunk_that_is_down_comes_last_and_comes_nevertheless() -> None:
    down = way(1, priority=0, prefixes=("25471",), state=TrunkState.FAILED)
    assert order(down, way(2)) == [2, 1]
    assert order(down) == [1]


def test_a_trunk_that_was_tried_is_passed_over() -> None:
    assert order(way(1, priority=0), way(2), without=(UUID(int=1),)) == [2]


@settings(max_examples=25, deadline=None)
@given(st.lists(st.integers(1, 20), min_size=2, max_size=5), st.integers(0, 2**32))
def test_among_equals_each_leads_as_often_as_its_weight_says(weights: list[int], seed: int) -> None:
    ways = [way(number, weight=weight) for number, weight in enumerate(weights)]
    chance, draws = random.Random(seed), 2_000
    led = Counter(ranked(ways, SAFARICOM, chance=chance)[0].id.int for _ in range(draws))
    for number, weight in enumerate(weights):
        share = weight / sum(weights)
        # Five standard deviations of a binomial: wrong once in two million draws.
        assert abs(led[number] / draws - share) < 5 * (share * (1 - share) / draws) ** 0.5 + 1e-9


@given(st.lists(st.integers(1, 5), min_size=1, max_size=4), st.integers(1, 25))
def test_no_trunk_is_given_more_calls_than_it_has_channels(channels: list[int], calls: int) -> None:
    ways = [way(number, max_channels=most) for number, most in enumerate(channels)]
    rankings = [ranked(ways, SAFARICOM, chance=random.Random(call)) for call in range(calls)]
    chosen = assign(rankings, {one.id: Room.idle(one) for one in ways})
    given_out = Counter(one.id.int for one in chosen if one)
    assert all(given_out[number] <= most for number, most in enumerate(channels))
    assert sum(given_out.values()) == min(calls, sum(channels))


def test_a_full_trunk_hands_over_to_the_next() -> None:
    first, second = way(1, priority=1, max_channels=1), way(2)
    chosen = assign([[first, second]] * 3, {first.id: Room.idle(first)})
    assert [one.id.int for one in chosen if one] == [1, 2, 2]


def test_tokens_refill_at_the_rate_up_to_a_seconds_worth() -> None:
    limited = way(1, max_cps=4.0, tokens=0.0, tokens_at=NOW)
    assert limited.tokens_now(NOW + timedelta(seconds=0.5)) == 2
    assert limited.tokens_now(NOW + timedelta(seconds=60)) == 4
    assert way(1, max_cps=0.5, tokens=0.0, tokens_at=NOW).tokens_now(NOW + timedelta(seconds=9)) == 1


def test_legs_that_ring_together_start_together_and_overdraw_the_rate() -> None:
    limited = way(1, max_cps=1.0)
    room = Room.idle(limited)
    assert None not in assign([[limited]] * 3, {limited.id: room})
    assert room.tokens == -2
    assert assign([[limited]], {limited.id: room}) == [None]
