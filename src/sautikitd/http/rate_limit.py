"""Token buckets, per process: the limit of a key is divided by the number of workers, so it is approximate."""

import math
from collections import OrderedDict
from collections.abc import Hashable
from dataclasses import dataclass

import msgspec

from sautikitd.clock import Clock

_REMEMBERED = 10_000


@dataclass(slots=True)
class _Bucket:
    tokens: float
    at: float


class Allowance(msgspec.Struct, frozen=True):
    allowed: bool
    limit: int
    remaining: int
    reset_seconds: int  # until the bucket is full again
    retry_after: int

    def headers(self) -> dict[str, str]:
        shown = {
            "RateLimit-Limit": str(self.limit),
            "RateLimit-Remaining": str(self.remaining),
            "RateLimit-Reset": str(self.reset_seconds),
        }
        return shown if self.allowed else shown | {"Retry-After": str(self.retry_after)}


class RateLimiter:
    """`per_second` requests a second for each key (or source, where no key is needed), with bursts of up to `burst`."""

    def __init__(self, clock: Clock, *, per_second: float, burst: int) -> None:
        self._clock = clock
        self._per_second = per_second
        self._burst = burst
        self._buckets: OrderedDict[Hashable, _Bucket] = OrderedDict()

    def take(self, key: Hashable) -> Allowance:
        now = self._clock.monotonic()
        bucket = self._buckets.get(key)
        if bucket is None:
            bucket = self._buckets[key] = _Bucket(self._burst, now)
            if len(self._buckets) > _REMEMBERED:
                self._buckets.popitem(last=False)
        else:
            self._buckets.move_to_end(key)
            bucket.tokens = min(self._burst, bucket.tokens + (now - bucket.at) * self._per_second)
            bucket.at = now
        allowed = bucket.tokens >= 1
        if allowed:
            bucket.tokens -= 1
        return Allowance(
            allowed=allowed,
            limit=self._burst,
            remaining=int(bucket.tokens),
            reset_seconds=math.ceil((self._burst - bucket.tokens) / self._per_second),
            retry_after=max(1, math.ceil((1 - bucket.tokens) / self._per_second)),
        )
