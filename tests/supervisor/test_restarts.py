"""When to try again, and when to stop trying."""

from sautikitd.supervisor.restarts import DEATHS, RestartPolicy


def test_deaths_close_together_wait_longer_each_time() -> None:
    policy = RestartPolicy()
    assert [policy.died(float(second)) for second in range(5)] == [0.5, 1.0, 2.0, 4.0, 8.0]


def test_too_many_deaths_within_two_minutes_are_given_up_on() -> None:
    policy = RestartPolicy()
    assert [policy.died(float(second)) for second in range(DEATHS)][-1] is None


def test_a_death_long_after_the_others_starts_from_the_beginning() -> None:
    policy = RestartPolicy()
    for second in range(DEATHS - 1):
        policy.died(float(second))
    assert policy.died(1000.0) == 0.5
