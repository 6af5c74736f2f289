"""One side of a conversation: who is there, and what is to be done when he is through with it."""

import asyncio
from abc import ABC, abstractmethod
from collections.abc import Awaitable, Callable
from typing import Protocol
from uuid import UUID

from sautikitd.calls.models import CallRecord
from sautikitd.calls.outcomes import HangupBy, HangupCause
from sautikitd.flow.port import Dialled
from sautikitd.node.dialling.rung import Rung
from sautikitd.voice.bridge import Bridge
from sautikitd.voice.leg import MediaLeg
from sautikitd.voice.sip.dialog import DialogKey
from sautikitd.voice.sip.referral import Referral

Close = Callable[[Rung, HangupBy], Awaitable[CallRecord | None]]
"""Ends a dialled leg, where it has not ended, and enters its end in the books."""


class TalkBridge(Protocol):
    """What lets the two of a conversation hear each other; both steps are harmless to repeat."""

    async def open(self) -> None: ...

    async def close(self) -> None: ...


class Side(ABC):
    """A `Party` on this node, or what stands for one of another (`Away`)."""

    @property
    @abstractmethod
    def here(self) -> bool:
        """Whether he is still in the conversation."""

    @property
    @abstractmethod
    def dialog_key(self) -> DialogKey | None:
        """His answered dialog on this node, as a Replaces names it."""

    @abstractmethod
    async def gone(self) -> None:
        """Waits until he has hung up or has been withdrawn."""

    @abstractmethod
    def end(self) -> None:
        """Hangs up on him: he has handed the other one on."""

    @abstractmethod
    async def who_ended(self) -> HangupBy:
        """Whose doing it is that he has gone. Of a dialled leg the party on the near side is the caller, whoever called
        whom there."""

    @abstractmethod
    async def close(self, left_by: "Side") -> CallRecord | None:
        """Ends what was there for this conversation alone, which the other one has left: the leg that was dialled, as it
        ended. Harmless to repeat."""

    @abstractmethod
    def finish(self, became: Dialled | CallRecord | None) -> None:
        """His flow goes on; `became` is the outcome, or the leg that he talked with as it ended."""

    @abstractmethod
    def bridge_to(self, near: "Party") -> TalkBridge: ...


class Party(Side):
    """A leg whose flow waits for the end of the conversation, or (`dialled`) one that was rung for it, and ends with it.

    `call` is whose legs are dialled on his behalf; `call_id` is his own, which lives as long as his leg.
    """

    def __init__(
        self,
        leg: MediaLeg,
        call: CallRecord,
        *,
        call_id: UUID | None = None,
        rung: Rung | None = None,
        close: Close | None = None,
    ) -> None:
        self.leg = leg
        self.call = call
        self.rung = rung
        self.call_id = call_id or call.id
        self._close = close
        self.withdrawn = asyncio.Event()
        self.over: asyncio.Future[Dialled | CallRecord | None] = asyncio.get_running_loop().create_future()

    @classmethod
    def dialled(cls, rung: Rung, call: CallRecord, close: Close) -> "Party":
        rung.talking = True
        return cls(rung.leg, call, call_id=rung.record.id, rung=rung, close=close)

    @property
    def may_hand_on(self) -> bool:
        """An outside caller may not: what he asks for would be paid by who is called."""
        return self.rung is not None or self.call.direction == "outbound"

    @property
    def here(self) -> bool:
        return not (self.leg.ended or self.withdrawn.is_set())

    @property
    def dialog_key(self) -> DialogKey | None:
        return self.leg.dialog_key

    def on_referral(self, taker: Callable[[Referral], None]) -> Callable[[], None]:
        """See `MediaLeg.on_referral`; who may not hand on is declined."""
        return self.leg.on_referral(taker) if self.may_hand_on else lambda: None

    def withdraw(self) -> None:
        """His flow has something else for him to do."""
        self.withdrawn.set()

    async def gone(self) -> None:
        either = [asyncio.ensure_future(self.leg.gone()), asyncio.ensure_future(self.withdrawn.wait())]
        try:
            await asyncio.wait(either, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for waiting in either:
                waiting.cancel()

    def end(self) -> None:
        self.leg.end(HangupCause.NORMAL_CLEARING)

    async def who_ended(self) -> HangupBy:
        hung_up = self.leg.ended and (await self.leg.gone()).by is not HangupBy.PLATFORM
        return HangupBy.CALLER if hung_up else HangupBy.PLATFORM

    async def close(self, left_by: Side) -> CallRecord | None:
        if self.rung is None or self._close is None:
            return None
        return await self._close(self.rung, await left_by.who_ended())

    def finish(self, became: Dialled | CallRecord | None) -> None:
        if not self.over.done():
            self.over.set_result(became)

    def bridge_to(self, near: "Party") -> TalkBridge:
        return Bridge(near.leg, self.leg)
