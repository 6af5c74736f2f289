"""Answers other nodes that were asked to put a party of theirs into a conversation of ours."""

import msgspec

from sautikitd.calls.commands import Command, CommandKind
from sautikitd.node.dialling.far_talk import FarTalk
from sautikitd.node.dialling.means import Dialling
from sautikitd.node.dialling.party import Party
from sautikitd.node.dialling.talk import Talk
from sautikitd.node.dialling.transfer_books import WITHDRAWN, TransferRequest, Withdrawn
from sautikitd.node.live.commander import Handler
from sautikitd.rooms.models import EndReason

DECLINED = "declined"


class TransferDesk:
    """One for the node."""

    def __init__(self, dialling: Dialling) -> None:
        self._dialling = dialling

    @property
    def handlers(self) -> dict[CommandKind, Handler]:
        return {CommandKind.TRANSFER_MEET: self.answer}

    async def answer(self, command: Command) -> str:
        """A `Handler`: the id of the room that was made for the two, or why there is none. Nobody else may take the two
        of ours apart until that is known."""
        request = msgspec.convert(command.payload, TransferRequest, strict=False)
        found = self._named(request)
        if found is None:
            return DECLINED
        talk, leaver = found
        elsewhere = self._dialling.elsewhere
        met = talk.other_than(leaver)
        with talk.promised():
            try:
                room, own, other = await elsewhere.books.agree(command.id, request, met.call_id)
            except Withdrawn:
                return WITHDRAWN
        far = FarTalk(met, elsewhere.parts, elsewhere.books, room, own, other)
        if not talk.lead_into(leaver, far):  # one of them has gone meanwhile
            await elsewhere.parts.books.end_room(room.id, EndReason.PARTICIPANT_LEFT)
        return str(room.id)

    def _named(self, request: TransferRequest) -> tuple[Talk, Party] | None:
        """The conversation of that dialog, and whose dialog it is, where it is of the same workspace."""
        for talk in self._dialling.talks:
            side = talk.side_of(request.dialog)
            if side is not None:
                same = (side.call.workspace_id, side.call.mode) == (request.workspace_id, request.mode)
                return (talk, side) if same and side.may_hand_on else None
        return None
