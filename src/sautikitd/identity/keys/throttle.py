"""Slows down sources that try wrong keys. It decides only how a wrong key is answered, never whether a right one works."""

from collections import OrderedDict
from dataclasses import dataclass

from sautikitd.clock import Clock

_BURST = 20.0
_PER_SECOND = 0.5
_REMEMBERED = 10_000


@dataclass
class _Bucket:
    tokens: float
    at: float


class FailureThrottle:
    """A token bucket for each source: 20 failures at once, one more every two seconds."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._buckets: OrderedDict[str, _Bucket] = OrderedDict()

    def allows(self, source: str) -> bool:
        """Counts one failure; False when the source has had too many of late."""
        now = self._clock.monotonic()
        bucket = self._buckets.setdefault(source, _Bucket(_BURST, now))
        self._buckets.move_to_end(source)
        if len(self._buckets) > _REMEMBERED:
            self._buckets.popitem(last=False)
        bucket.tokens = min(_BURST, bucket.tokens + (now - bucket.at) * _PER_SECOND)
        bucket.at = now
        if bucket.tokens < 1:
            return False
        bucket.tokens -= 1
        return True
