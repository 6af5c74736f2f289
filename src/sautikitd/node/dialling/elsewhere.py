"""Conversations of other nodes: those that a party of ours is to be put into, and those of which a party is ours."""

import asyncio
from typing import Any
from uuid import UUID

import structlog

from sautikitd.calls.replaced import Dialog, Holder
from sautikitd.database.pool import DatabaseUnavailable
from sautikitd.ids import uuid7
from sautikitd.node.dialling.away import Away
from sautikitd.node.dialling.forwarded import Asking
from sautikitd.node.dialling.meeting import Meeting
from sautikitd.node.dialling.party import Party, Side
from sautikitd.node.dialling.transfer_books import (
    ACCEPTED,
    ReferRequest,
    Spot,
    TransferBooks,
    TransferRequest,
    spot_in,
)
from sautikitd.node.rooms.board import POLL_S
from sautikitd.node.rooms.seat import RoomParts
from sautikitd.voice.sip.referral import DECLINED

log = structlog.get_logger(__name__)

_ANSWERS_WITHIN_S = 5.0
_NOT_ANY_MORE = 487


class Elsewhere:
    """One for the node."""

    def __init__(self, books: TransferBooks, parts: RoomParts) -> None:
        self.books = books
        self.parts = parts

    async def holder(self, party: Party, dialog: Dialog) -> Spot | None:
        """The call on another node that holds the dialog, of the workspace of `party`; None also where nobody can tell."""
        try:
            holder = await self.books.holder(party.call, dialog)
        except DatabaseUnavailable as exc:
            log.warning("node.dialog_not_found", call_id=str(party.call_id), error=repr(exc))
            return None
        return Spot(holder, dialog=dialog) if holder else None

    async def ask(self, spot: Spot, party: Party) -> Meeting | Spot | None:
        """Has the node of `spot` agree that our party meets whom the referrer talks with there; where that is a party of
        yet another node, he is named. None when it has declined, or said nothing in time or before our party was gone:
        then it will not do it later either."""
        request = TransferRequest(
            workspace_id=party.call.workspace_id,
            mode=party.call.mode,
            call_id=party.call_id,
            node_id=self.books.node_id,
            dialog=spot.dialog,
            seat_id=spot.seat_id,
        )
        answer = await self._asked(spot.holder, request, party, uuid7())
        if found := spot_in(answer or ""):
            return found
        return await self._agreed(answer, party)

    async def refer(self, away: Away, referrer: Party, wanted: Asking) -> int:
        """Has the node of whom our party talks with do what he wants of him by REFER; how it went, by its SIP status. Not
        waited for longer than both are there, once that node has begun."""
        command_id = uuid7()
        request = ReferRequest(seat_id=away.seat_id, target=wanted.target, replaces=wanted.replaces)
        answer = await self._asked(away.holder, request, away, command_id)
        if answer == ACCEPTED:
            return await self._outcome(command_id, away, referrer)
        return _code_of(answer)

    async def _asked(
        self, holder: Holder, request: TransferRequest | ReferRequest, waiting: Side, command_id: UUID
    ) -> str | None:
        answer = None
        try:
            await self.books.ask(command_id, holder, request)
            answer = await self._answer(command_id, waiting)
        except DatabaseUnavailable as exc:
            log.warning("node.transfer_not_asked", asked=str(holder.call_id), error=repr(exc))
        return answer or await self.books.withdraw(command_id)

    async def _answer(self, command_id: UUID, waiting: Side) -> str | None:
        patience = asyncio.ensure_future(self.parts.clock.sleep(_ANSWERS_WITHIN_S))
        try:
            while waiting.here and not patience.done():
                if answer := await self.books.answer(command_id):
                    return answer
                await asyncio.wait({patience}, timeout=POLL_S)
        finally:
            patience.cancel()
        return None

    async def _outcome(self, command_id: UUID, *both: Side) -> int:
        leaving: set[asyncio.Future[Any]] = {asyncio.ensure_future(one.gone()) for one in both}
        try:
            while True:
                over = any(one.done() for one in leaving)
                try:
                    answer = await self.books.answer(command_id)
                except DatabaseUnavailable as exc:
                    log.warning("node.outcome_unknown", error=repr(exc))
                    answer = ACCEPTED
                if answer != ACCEPTED:
                    return _code_of(answer)
                if over:
                    return _NOT_ANY_MORE
                await asyncio.wait(leaving, timeout=POLL_S, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for one in leaving:
                one.cancel()

    async def _agreed(self, answer: str | None, party: Party) -> Meeting | None:
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
        return Meeting(party, self.parts, self.books, room, own, other)


def _code_of(answer: str | None) -> int:
    return int(answer) if answer and answer.isdecimal() else DECLINED
