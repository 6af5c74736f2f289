"""When a push is asked about: most verdicts are there after 17 to 27 s, some take hours (`mpesa.md` §4)."""

from datetime import datetime, timedelta

_STEPS = [timedelta(seconds=s) for s in (25, 45, 75, 120, 300, 900, 1800, 3600)]
_HOURLY = timedelta(hours=1)
_LAST = timedelta(hours=48)


def next_check(pushed_at: datetime, now: datetime) -> datetime | None:
    """The first rung after `now`: 25, 45, 75, 120 s, 5, 15, 30, 60 min after the push, then every hour for two days."""
    for step in _STEPS:
        if pushed_at + step > now:
            return pushed_at + step
    step = ((now - pushed_at) // _HOURLY + 1) * _HOURLY
    return pushed_at + step if step <= _LAST else None
