"""The called party of a dial hands the caller on to somebody else by REFER (RFC 3515)."""

import asyncio
from collections.abc import Awaitable, Callable, Coroutine
from contextlib import suppress
from typing import Any

from sautikitd.calls.outcomes import HangupCause
from sautikitd.flow.port import Dialled, DialStatus
from sautikitd.voice.leg import MediaLeg
from sautikitd.voice.sip.referral import Referral

_NOTIFIED_WITHIN_S = 3.0
_CODES = {DialStatus.BUSY: 486, DialStatus.NO_ANSWER: 480, DialStatus.CANCELED: 487}
_REFUSED = 603


class Referrals:
    """What one party asks for while he talks, one at a time; a second one meanwhile is declined."""

    def __init__(self, leg: MediaLeg) -> None:
        self._leg = leg
        self._asked: asyncio.Future[Referral] = asyncio.get_running_loop().create_future()
        leg.on_referral(self._take)

    def close(self) -> None:
        self._leg.on_referral(None)
        if self._asked.done() and not self._asked.cancelled():
            self._asked.result().refuse()

    async def before(self, over: Awaitable[None]) -> Referral | None:
        """The next one; None when `over` comes first."""
        ending = asyncio.ensure_future(over)
        either: set[asyncio.Future[Any]] = {ending, self._asked}
        try:
            await asyncio.wait(either, return_when=asyncio.FIRST_COMPLETED)
        finally:
            ending.cancel()
            await asyncio.gather(ending, return_exceptions=True)
        if not self._asked.done():
            return None
        asked, self._asked = self._asked.result(), asyncio.get_running_loop().create_future()
        return asked

    def _take(self, referral: Referral) -> None:
        if self._asked.done():
            referral.refuse()
        else:
            self._asked.set_result(referral)


class HandingOn:
    """One referral that is followed. Its NOTIFYs go out in order, and never hold the call up."""

    def __init__(
        self,
        referral: Referral,
        referrer: MediaLeg,
        see_through: Callable[[Coroutine[Any, Any, None]], "asyncio.Task[None]"],
    ) -> None:
        self.target = referral.target
        self._referral = referral
        self._referrer = referrer
        self._see_through = see_through
        self._accepting = see_through(self._bounded(referral.accept()))

    async def taken(self) -> None:
        """Somebody answered: the referrer is told, and is done."""
        self._see_through(self._finish(200, hang_up=True))

    def failed(self, outcome: Dialled) -> None:
        """Nobody did."""
        self._see_through(self._finish(_CODES.get(outcome.status, _REFUSED), hang_up=False))

    async def _finish(self, code: int, *, hang_up: bool) -> None:
        await self._accepting
        await self._bounded(self._referral.finish(code))
        if hang_up:
            self._referrer.end(HangupCause.NORMAL_CLEARING)

    async def _bounded(self, telling: Awaitable[None]) -> None:
        with suppress(TimeoutError):
            async with asyncio.timeout(_NOTIFIED_WITHIN_S):
                await telling
