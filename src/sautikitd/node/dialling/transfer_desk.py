"""Answers other nodes: those that were asked to put a party of theirs into a conversation of ours, and those whose party
wants something, by REFER, of one of ours."""

from functools import partial

import msgspec

from sautikitd.calls.commands import Command, CommandKind
from sautikitd.node.dialling.away import Away
from sautikitd.node.dialling.forwarded import Forwarded
from sautikitd.node.dialling.means import Dialling
from sautikitd.node.dialling.meeting import Meeting
from sautikitd.node.dialling.party import Party, Side
from sautikitd.node.dialling.talk import Talk
from sautikitd.node.dialling.transfer_books import (
    ACCEPTED,
    WITHDRAWN,
    ReferRequest,
    Spot,
    TransferRequest,
    Withdrawn,
)
from sautikitd.node.live.commander import Handler
from sautikitd.rooms.models import EndReason

DECLINED = "declined"


class TransferDesk:
    """One for the node; its methods are `Handler`s of the commander."""

    def __init__(self, dialling: Dialling) -> None:
        self._dialling = dialling

    @property
    def handlers(self) -> dict[CommandKind, Handler]:
        return {CommandKind.TRANSFER_MEET: self.meet, CommandKind.TRANSFER_REFER: self.refer}

    async def meet(self, command: Command) -> str:
        """The id of the room that was made for the two; where ours is there by a room already, the node and the seat of
        the other one; or why there is none. Nobody else may take the two of ours apart until that is known."""
        request = msgspec.convert(command.payload, TransferRequest, strict=False)
        found = self._named(request)
        if found is None:
            return DECLINED
        talk, leaver = found
        elsewhere = self._dialling.elsewhere
        met = talk.other_than(leaver)
        if isinstance(met, Away):
            return str(Spot(met.holder, seat_id=met.seat_id))
        assert isinstance(met, Party)
        with talk.promised():
            try:
                room, own, other = await elsewhere.books.agree(command.id, request, met.call_id)
            except Withdrawn:
                return WITHDRAWN
        meeting = Meeting(met, elsewhere.parts, elsewhere.books, room, own, other)
        if not talk.lead_into(leaver, meeting):  # one of them has gone meanwhile
            await elsewhere.parts.books.end_room(room.id, EndReason.PARTICIPANT_LEFT)
        return str(room.id)

    async def refer(self, command: Command) -> str:
        """Begins it; `TransferBooks.finish` tells how it went."""
        request = msgspec.convert(command.payload, ReferRequest, strict=False)
        found = self._dialling.seated_at(request.seat_id)
        if found is None:
            return DECLINED
        talk, referrer = found
        books, see_through = self._dialling.elsewhere.books, self._dialling.see_through
        with talk.promised():
            if not await books.accept(command.id):
                return WITHDRAWN
        tell = partial(books.finish, command.id)
        talk.take(referrer, Forwarded(request.target, request.replaces, tell, see_through))
        return ACCEPTED

    def _named(self, request: TransferRequest) -> tuple[Talk, Side] | None:
        """The conversation of that dialog or seat, and who is to leave it, where it is of the same workspace."""
        wanted = request.workspace_id, request.mode
        if request.seat_id is not None:
            found = self._dialling.seated_at(request.seat_id)
            return found if found and found[0].of == wanted else None
        if request.dialog is None or (named := self._dialling.in_dialog(request.dialog)) is None:
            return None
        talk, side = named
        return (talk, side) if talk.of == wanted and side.may_hand_on else None
