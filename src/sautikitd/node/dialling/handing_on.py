"""A party of a conversation hands the other one on to somebody else by REFER (RFC 3515)."""

import asyncio
from collections.abc import Awaitable, Callable, Coroutine
from contextlib import suppress
from typing import Any

from sautikitd.flow.port import Dialled, DialStatus
from sautikitd.node.dialling.forwarded import Asking
from sautikitd.node.dialling.party import Side
from sautikitd.voice.sip.referral import DECLINED

_NOTIFIED_WITHIN_S = 3.0
_CODES = {DialStatus.BUSY: 486, DialStatus.NO_ANSWER: 480, DialStatus.CANCELED: 487}


class HandingOn:
    """One referral that is followed. Its NOTIFYs go out in order, and never hold the call up."""

    def __init__(
        self,
        referral: Asking,
        referrer: Side,
        see_through: Callable[[Coroutine[Any, Any, None]], "asyncio.Task[None]"],
    ) -> None:
        self.target = referral.target
        self.done = False
        self._referral = referral
        self._referrer = referrer
        self._see_through = see_through
        self._accepting = see_through(self._bounded(referral.accept()))

    async def taken(self) -> None:
        """Somebody answered: the referrer is told, and is done."""
        self.done = True
        self._see_through(self._finish(200, hang_up=True))

    def failed(self, outcome: Dialled | None) -> None:
        """Nobody did, or who was to be handed on has gone (None)."""
        self.failed_with(_CODES.get(outcome.status, DECLINED) if outcome else _CODES[DialStatus.CANCELED])

    def failed_with(self, code: int) -> None:
        """The same by its SIP status."""
        self._see_through(self._finish(code, hang_up=False))

    async def _finish(self, code: int, *, hang_up: bool) -> None:
        await self._accepting
        await self._bounded(self._referral.finish(code))
        if hang_up:
            self._referrer.end()

    async def _bounded(self, telling: Awaitable[None]) -> None:
        with suppress(TimeoutError):
            async with asyncio.timeout(_NOTIFIED_WITHIN_S):
                await telling
