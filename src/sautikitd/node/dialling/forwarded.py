"""A REFER whose sender talks with a party of ours from another node: that node sends it on to us."""

import asyncio
from collections.abc import Awaitable, Callable, Coroutine
from typing import Any, Protocol

from sautikitd.voice.sip.dialog import DialogKey
from sautikitd.voice.sip.referral import DECLINED


class Asking(Protocol):
    """One REFER, and who sent it to be told what becomes of it: a `Referral`, or one that was sent on."""

    @property
    def target(self) -> str: ...

    @property
    def replaces(self) -> DialogKey | None: ...

    async def accept(self) -> None: ...

    def refuse(self) -> None: ...

    async def finish(self, code: int) -> None: ...


class Forwarded:
    """Its own node has answered it. `tell` writes its outcome, by SIP status, where that node looks."""

    def __init__(
        self,
        target: str,
        replaces: DialogKey | None,
        tell: Callable[[int], Coroutine[Any, Any, None]],
        see_through: Callable[[Coroutine[Any, Any, None]], Awaitable[None]],
    ) -> None:
        self.target = target
        self.replaces = replaces
        self._tell = tell
        self._see_through = see_through

    async def accept(self) -> None:
        """Nothing is left to be said."""

    def refuse(self) -> None:
        self._see_through(self._tell(DECLINED))

    async def finish(self, code: int) -> None:
        await asyncio.shield(self._see_through(self._tell(code)))
