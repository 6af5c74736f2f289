"""The entry of an inbound call's answer in the books."""

import asyncio
from typing import Any
from uuid import UUID

from sautikitd.calls.outcomes import CallStatus, HangupCause
from sautikitd.node.books import Books
from sautikitd.voice.inbound_leg import InboundLeg


class AnswerEntry:
    """Once the 200 OK has left, the call was answered, whatever comes while that is being written: a BYE, or a new
    flow, ends what waits for the entry and not the entry itself. The end is entered after it."""

    def __init__(self, books: Books, call_id: UUID) -> None:
        self._books = books
        self._call_id = call_id
        self._entering: asyncio.Future[None] | None = None

    async def enter(self, leg: InboundLeg, dialog: dict[str, Any]) -> None:
        """Commits the answer with what a BYE from another process needs; hangs up on who was ended meanwhile."""
        self._entering = asyncio.ensure_future(self._commit(leg, dialog))
        await asyncio.shield(self._entering)

    async def settled(self) -> None:
        """Returns when no entry is on its way any more."""
        if self._entering is not None:
            await self._entering

    async def _commit(self, leg: InboundLeg, dialog: dict[str, Any]) -> None:
        assert leg.answered_at is not None
        committed = await self._books.answered(self._call_id, leg.answered_at, dialog)
        if committed is None or committed.status is not CallStatus.ANSWERED:
            leg.end(HangupCause.CANCELED)
