"""Conversations of other nodes, which a party of ours is to be put into."""

import asyncio
from uuid import UUID

import structlog

from sautikitd.calls.replaced import Dialog, Holder
from sautikitd.database.pool import DatabaseUnavailable
from sautikitd.ids import uuid7
from sautikitd.node.dialling.far_talk import FarTalk
from sautikitd.node.dialling.party import Party
from sautikitd.node.dialling.transfer_books import TransferBooks, TransferRequest
from sautikitd.node.rooms.board import POLL_S
from sautikitd.node.rooms.seat import RoomParts

log = structlog.get_logger(__name__)

_ANSWERS_WITHIN_S = 5.0


class Elsewhere:
    """One for the node."""

    def __init__(self, books: TransferBooks, parts: RoomParts) -> None:
        self.books = books
        self.parts = parts

    async def holder(self, referrer: Party, dialog: Dialog) -> Holder | None:
        """The call on another node that holds the dialog; None also where nobody can tell."""
        try:
            return await self.books.holder(referrer.call, dialog)
        except DatabaseUnavailable as exc:
            log.warning("node.dialog_not_found", call_id=str(referrer.call_id), error=repr(exc))
            return None

    async def ask(self, holder: Holder, party: Party, dialog: Dialog) -> FarTalk | None:
        """Has the node of `holder` agree that our party meets whom the referrer talks with there. None when it has
        declined, or said nothing in time or before our party was gone: then it will not do it later either."""
        command_id = uuid7()
        request = TransferRequest(
            workspace_id=party.call.workspace_id,
            mode=party.call.mode,
            call_id=party.call_id,
            node_id=self.books.node_id,
            dialog=dialog,
        )
        answer = None
        try:
            await self.books.ask(command_id, holder, request)
            answer = await self._answer(command_id, party)
        except DatabaseUnavailable as exc:
            log.warning("node.transfer_not_asked", call_id=str(party.call_id), error=repr(exc))
        answer = answer or await self.books.withdraw(command_id)
        return await self._agreed(answer, party)

    async def _answer(self, command_id: UUID, party: Party) -> str | None:
        patience = asyncio.ensure_future(self.parts.clock.sleep(_ANSWERS_WITHIN_S))
        try:
            while party.here and not patience.done():
                if answer := await self.books.answer(command_id):
                    return answer
                await asyncio.wait({patience}, timeout=POLL_S)
        finally:
            patience.cancel()
        return None

    async def _agreed(self, answer: str | None, party: Party) -> FarTalk | None:
        """The room that the answer names, where it still is and has our seat."""
        try:
            room_id = UUID(answer or "")
        except ValueError:
            log.info("node.transfer_declined", call_id=str(party.call_id), answer=answer)
            return None
        board = self.parts.books.board
        with board.followed():
            await board.look()
            room, seats = board.room(room_id), list(board.seats(room_id).values())
        own = next((seat for seat in seats if seat.call_id == party.call_id), None)
        other = next((seat for seat in seats if seat.call_id != party.call_id), None)
        if room is None or own is None or other is None:
            return None
        return FarTalk(party, self.parts, self.books, room, own, other)
