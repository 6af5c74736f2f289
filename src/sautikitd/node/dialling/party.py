"""One side of a conversation: who is there, and what is to be done when he is through with it."""

import asyncio
from collections.abc import Awaitable, Callable
from uuid import UUID

from sautikitd.calls.models import CallRecord
from sautikitd.calls.outcomes import HangupBy
from sautikitd.flow.port import Dialled
from sautikitd.node.dialling.rung import Rung
from sautikitd.voice.leg import MediaLeg

Close = Callable[[Rung, HangupBy], Awaitable[CallRecord | None]]
"""Ends a dialled leg, where it has not ended, and enters its end in the books."""


class Party:
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

    def withdraw(self) -> None:
        """His flow has something else for him to do."""
        self.withdrawn.set()

    async def gone(self) -> None:
        """Waits until he has hung up or has been withdrawn."""
        either = [asyncio.ensure_future(self.leg.gone()), asyncio.ensure_future(self.withdrawn.wait())]
        try:
            await asyncio.wait(either, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for waiting in either:
                waiting.cancel()

    async def close(self, left_by: "Party") -> CallRecord | None:
        """Hangs up on a dialled leg, whom the other has left, and enters its end. Harmless to repeat."""
        return await self.close_by(await _who_ended(left_by))

    async def close_by(self, by: HangupBy) -> CallRecord | None:
        """The same where it is known who has ended the conversation."""
        if self.rung is None or self._close is None:
            return None
        return await self._close(self.rung, by)

    def finish(self, became: Dialled | CallRecord | None) -> None:
        """His flow goes on; `became` is the outcome, or the leg that he talked with as it ended."""
        if not self.over.done():
            self.over.set_result(became)


async def _who_ended(other: Party) -> HangupBy:
    """Of a dialled leg the party on the near side is the caller, whoever called whom there."""
    hung_up = other.leg.ended and (await other.leg.gone()).by is not HangupBy.PLATFORM
    return HangupBy.CALLER if hung_up else HangupBy.PLATFORM
