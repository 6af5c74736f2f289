"""Keeps an answered leg within what is held for it, and within its longest duration (contract §12, Holds)."""

from datetime import datetime, timedelta
from typing import Protocol

from sautikitd.calls.lifecycle import first_seconds
from sautikitd.calls.models import CallRecord
from sautikitd.calls.outcomes import HangupCause
from sautikitd.clock import Clock
from sautikitd.node.books import Books
from sautikitd.voice.partner import Partner

GROW_BY_S = 60
GROW_WHEN_LEFT_S = 35
WARN_WHEN_LEFT_S = 30
_TRY_AGAIN_S = 1.0


class PaidLeg(Protocol):
    """What runs on money: a leg of a call, or a stream."""

    @property
    def ended(self) -> bool: ...

    @property
    def partner(self) -> Partner | None: ...

    async def warn(self) -> None: ...

    def end(self, cause: HangupCause, *, at: datetime) -> None: ...


class MoneyWatch:
    """`run` goes on until it has ended the leg, or is cancelled because the leg ended otherwise. Whoever the leg is
    bridged with hears the tone before the end too."""

    def __init__(
        self,
        call: CallRecord,
        leg: PaidLeg,
        answered_at: datetime,
        books: Books,
        clock: Clock,
    ) -> None:
        self._call = call
        self._leg = leg
        self._answered_at = answered_at
        self._books = books
        self._clock = clock
        self._covered = first_seconds(call.max_duration_seconds)
        self._warned = False

    async def run(self) -> None:
        longest = self._call.max_duration_seconds
        if self._call.rate_per_minute_minor == 0:
            await self._sleep_until(longest)
            self._end(HangupCause.MAX_DURATION, longest)
            return
        if self._call.direction == "inbound":
            await self._keep_holding(longest)
            return
        while self._covered < longest:
            await self._sleep_until(self._covered - GROW_WHEN_LEFT_S)
            if not await self._grow(min(self._covered + GROW_BY_S, longest)):
                return
        await self._sleep_until(longest)
        self._end(HangupCause.MAX_DURATION, longest)

    async def _keep_holding(self, longest: int) -> None:
        """A call that came in goes on at any balance: what the wallet cannot bear of it is not billed."""
        while self._covered < longest:
            await self._sleep_until(self._covered - GROW_WHEN_LEFT_S)
            self._covered = min(self._covered + GROW_BY_S, longest)
            await self._books.extend(self._call.id, self._covered)
        await self._sleep_until(longest)
        self._end(HangupCause.MAX_DURATION, longest)

    async def _grow(self, wanted: int) -> bool:
        """Covers `wanted` seconds, asking again until time is up: money may come in. False when the leg was ended."""
        short_of = HangupCause.INSUFFICIENT_FUNDS
        while True:
            if covered := await self._books.extend(self._call.id, wanted):
                self._covered = max(self._covered, covered.seconds)
                short_of = covered.short_of
            if self._covered >= wanted:
                self._warned = False
                return True
            left = self._covered - self._elapsed()
            if left <= WARN_WHEN_LEFT_S and not self._warned:
                self._warned = True
                await self._warn()
            if left <= 0:
                self._end(short_of, self._covered)
                return False
            await self._clock.sleep(min(_TRY_AGAIN_S, left))

    async def _warn(self) -> None:
        for leg in (self._leg, self._leg.partner):
            if leg is not None and not leg.ended:
                await leg.warn()

    def _elapsed(self) -> float:
        return (self._clock.now() - self._answered_at).total_seconds()

    async def _sleep_until(self, second: float) -> None:
        left = second - self._elapsed()
        if left > 0:
            await self._clock.sleep(left)

    def _end(self, cause: HangupCause, second: int) -> None:
        """Ends the leg as of `second` of its talk: not a second more is charged than was covered."""
        self._leg.end(cause, at=self._answered_at + timedelta(seconds=second))
