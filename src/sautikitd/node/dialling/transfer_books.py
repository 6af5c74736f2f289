"""What nodes write to each other of an attended transfer whose two dialogs are on two of them.

The node that got the REFER asks, by a command, the one that holds the dialog that is replaced. That one agrees by making
a bridge room for the two who stay, in the transaction that settles the command; who asked may withdraw the command by
settling it himself. Whoever comes first is right, so both know what came of it.
"""

from uuid import UUID

import msgspec

from sautikitd.calls import commands, replaced
from sautikitd.calls.commands import CommandKind
from sautikitd.calls.models import CallRecord
from sautikitd.calls.replaced import Dialog, Holder
from sautikitd.clock import Clock
from sautikitd.database.pool import Database
from sautikitd.database.wake import Waker
from sautikitd.events.models import Mode
from sautikitd.node.persisting import persist
from sautikitd.rooms.lifecycle import Rooms
from sautikitd.rooms.models import NewRoom, NewSeat, Room, RoomKind, Seat

WITHDRAWN = "withdrawn"
ACCEPTED = "accepted"


class TransferRequest(msgspec.Struct, frozen=True, kw_only=True):
    """The payload of a `transfer.meet` command: who waits, on which node, for whom the referrer meets in `dialog`, or for
    whose seat it is."""

    workspace_id: UUID
    mode: Mode
    call_id: UUID
    node_id: UUID
    dialog: Dialog | None = None
    seat_id: UUID | None = None


class ReferRequest(msgspec.Struct, frozen=True, kw_only=True):
    """The payload of a `transfer.refer` command: what whoever talks with the party of this seat wants of him by REFER."""

    seat_id: UUID
    target: str
    replaces: Dialog | None


class Spot(msgspec.Struct, frozen=True):
    """Whom a party is to be put together with: whoever the referrer talks with in that dialog of `holder`, or whoever has
    that seat, which is itself the one of `holder`."""

    holder: Holder
    dialog: Dialog | None = None
    seat_id: UUID | None = None

    def __str__(self) -> str:
        """As a node that has him no more answers."""
        return f"at {self.holder.node_id} {self.holder.call_id} {self.seat_id}"


def spot_in(answer: str) -> Spot | None:
    """What `str` of a spot with a seat has made."""
    match answer.split():
        case "at", node_id, call_id, seat_id:
            return Spot(Holder(UUID(call_id), UUID(node_id)), seat_id=UUID(seat_id))
    return None


class Withdrawn(Exception):
    """Who asked does not wait for it any more."""


class TransferBooks:
    """Methods raise one of `DatabaseUnavailable` unless they say otherwise."""

    def __init__(self, node_id: UUID, database: Database, clock: Clock, waker: Waker, rooms: Rooms) -> None:
        self.node_id = node_id
        self._database = database
        self._clock = clock
        self._waker = waker
        self._rooms = rooms

    async def holder(self, asking: CallRecord, dialog: Dialog) -> Holder | None:
        """The call of another node, which is alive, that holds the dialog."""
        async with self._database.connection() as connection:
            return await replaced.holder(connection, asking, self.node_id, dialog, self._clock.now())

    async def ask(self, command_id: UUID, holder: Holder, request: TransferRequest | ReferRequest) -> None:
        kind = CommandKind.TRANSFER_MEET
        if isinstance(request, ReferRequest):
            kind = CommandKind.TRANSFER_REFER
        async with self._database.transaction() as connection:
            await commands.give(
                connection,
                holder.call_id,
                kind,
                self._clock.now(),
                msgspec.to_builtins(request),
                node_id=holder.node_id,
                command_id=command_id,
            )
        await self._waker.wake(commands.CHANNEL)

    async def answer(self, command_id: UUID) -> str | None:
        """What the other node says: the id of a room, or why not; None as long as it says nothing."""
        async with self._database.connection() as connection:
            return await commands.outcome_of(connection, command_id)

    async def withdraw(self, command_id: UUID) -> str | None:
        """From here on it cannot be agreed to; the answer, where it came before. Waits for the database."""
        await persist(
            self._database,
            self._clock,
            lambda connection: commands.settle(connection, command_id, WITHDRAWN, self._clock.now()),
        )
        return await persist(
            self._database, self._clock, lambda connection: commands.outcome_of(connection, command_id)
        )

    async def agree(self, command_id: UUID, request: TransferRequest, met: UUID) -> tuple[Room, Seat, Seat]:
        """A room, at home here, with a seat for our party `met` and one for who waits. Raises `Withdrawn`."""
        now = self._clock.now()
        new = NewRoom(
            workspace_id=request.workspace_id,
            mode=request.mode,
            kind=RoomKind.BRIDGE,
            node_id=self.node_id,
            owner_call_id=met,
        )
        pair = (
            NewSeat(call_id=met, node_id=self.node_id, ends=True),
            NewSeat(call_id=request.call_id, node_id=request.node_id, ends=True),
        )
        async with self._database.transaction() as connection:
            room, own, other = await self._rooms.bridge(connection, new, pair, now)
            if not await commands.settle(connection, command_id, str(room.id), now):
                raise Withdrawn
        return room, own, other

    async def accept(self, command_id: UUID) -> bool:
        """Whether a REFER that was sent on is still wanted; `finish` is to follow."""
        async with self._database.transaction() as connection:
            return await commands.settle(connection, command_id, ACCEPTED, self._clock.now())

    async def finish(self, command_id: UUID, code: int) -> None:
        """How it went, by its SIP status. Waits for the database."""
        await persist(
            self._database,
            self._clock,
            lambda connection: commands.amend(connection, command_id, ACCEPTED, str(code)),
        )

    async def dialled_leg(self, beside: CallRecord, call_id: UUID) -> CallRecord | None:
        """The call of the other party, where it was dialled and not one that runs a flow."""
        async with self._database.connection() as connection:
            return await replaced.dialled_leg(connection, beside, call_id)
