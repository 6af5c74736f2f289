"""Pushes that nobody called us back about are counted, once they have had five minutes."""

from payments.office import Office
from sautikitd.payments.silence import WITHOUT_CALLBACK, Silence


def shown() -> float:
    [metric] = WITHOUT_CALLBACK.collect()
    return next(sample.value for sample in metric.samples if sample.labels == {"mode": "test"})


async def test_a_push_without_a_callback_is_counted_after_five_minutes(office: Office) -> None:
    silence = Silence(office.database, ["test"], office.clock)
    await office.top_up("+254712340001")
    await office.top_up("+254712340007")  # its callback is lost
    await silence.measure()
    assert shown() == 0
    office.clock.advance(5 * 60 + 1)
    await silence.measure()
    assert shown() == 1
    office.clock.advance(24 * 3600)
    await silence.measure()
    assert shown() == 0
