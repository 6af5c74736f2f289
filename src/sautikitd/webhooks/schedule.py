"""When a failed delivery is tried again (contract §6)."""

import random
from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime

GAPS = tuple(timedelta(seconds=s) for s in (30, 120, 600, 1_800, 7_200, 21_600, 86_400))
"""The whole gap before attempts 2 to 8; the gap used is drawn evenly from [half, whole]."""

MAX_ATTEMPTS = len(GAPS) + 1
LONGEST_RETRY_AFTER = timedelta(hours=24)


def next_attempt(
    failed_at: datetime, finished: int, retry_after: str | None, randomness: random.Random
) -> datetime | None:
    """When attempt `finished + 1` is due after a failure at `failed_at`; None when there is none left.

    For the second attempt: 30 s × a number drawn evenly from [½, 1], so 15 to 30 seconds later. A
    `Retry-After` header can only make it later, by at most 24 hours from the failure.
    """
    if finished >= MAX_ATTEMPTS:
        return None
    gap = GAPS[finished - 1] * randomness.uniform(0.5, 1.0)
    asked = parse_retry_after(retry_after, failed_at)
    if asked is not None:
        gap = max(gap, min(asked, LONGEST_RETRY_AFTER))
    return failed_at + gap


def parse_retry_after(value: str | None, now: datetime) -> timedelta | None:
    """The delay of a `Retry-After` header, in seconds or as a date (RFC 9110 §10.2.3); None when unusable."""
    if value is None:
        return None
    value = value.strip()
    if value.isascii() and value.isdigit():
        return timedelta(seconds=min(int(value[:10]), 10 * 86_400))
    try:
        moment = parsedate_to_datetime(value)
    except ValueError:
        return None
    if moment.tzinfo is None:
        moment = moment.replace(tzinfo=UTC)
    return moment - now
