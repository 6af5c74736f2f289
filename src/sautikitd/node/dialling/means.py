"""What it takes to dial on behalf of a running call: its legs entered in the books, and sent out."""

import asyncio
from collections.abc import Coroutine
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, TypeVar
from uuid import UUID

import msgspec

from sautikitd.calls.adding import AddLeg, LegWish
from sautikitd.calls.addresses import is_device_address
from sautikitd.calls.claiming import Prepare
from sautikitd.calls.models import CallRecord
from sautikitd.calls.outcomes import HangupBy, HangupCause
from sautikitd.calls.steps import Ending
from sautikitd.clock import Clock
from sautikitd.database.pool import Database, DatabaseUnavailable
from sautikitd.node.books import Books
from sautikitd.node.dialling.callees import Callee, Callees
from sautikitd.node.dialling.elsewhere import Elsewhere
from sautikitd.node.dialling.failover import Failover
from sautikitd.node.dialling.legs import DialledLegs
from sautikitd.node.live.commander import RunningCall
from sautikitd.node.prompting import Prompting
from sautikitd.node.recordings import NodeRecordings
from sautikitd.node.trunks.routes import Routes
from sautikitd.voice.engine import VoiceEngine
from sautikitd.voice.sip.dialog import DialogKey

if TYPE_CHECKING:  # it dials on behalf of those who talk
    from sautikitd.node.dialling.away import Away
    from sautikitd.node.dialling.party import Party
    from sautikitd.node.dialling.talk import Talk

T = TypeVar("T")


@dataclass(frozen=True, kw_only=True)
class Dialling:
    """One for the node. `running` are the node's calls by id, which the legs it dials join; `talks` the conversations
    that go on."""

    node_id: UUID
    database: Database
    adding: AddLeg
    engine: VoiceEngine
    routes: Routes
    books: Books
    prompting: Prompting
    recordings: NodeRecordings
    failover: Failover
    callees: Callees
    elsewhere: Elsewhere
    clock: Clock
    running: dict[UUID, RunningCall]
    talks: set["Talk"] = field(default_factory=set)
    _seen_through: set["asyncio.Task[Any]"] = field(default_factory=set)

    def in_dialog(self, dialog: DialogKey) -> "tuple[Talk, Party] | None":
        """The conversation of that dialog, and whose it is, if he and the other one may be taken apart."""
        found = ((talk, talk.side_of(dialog)) for talk in self.talks)
        return next(((talk, side) for talk, side in found if side is not None), None)

    def seated_at(self, seat_id: UUID) -> "tuple[Talk, Away] | None":
        """The conversation of our party of that seat, and whom he talks with there, if they may be taken apart."""
        found = ((talk, talk.away_from(seat_id)) for talk in self.talks)
        return next(((talk, away) for talk, away in found if away is not None), None)

    def legs_for(self, call: CallRecord) -> DialledLegs:
        return DialledLegs(
            call,
            engine=self.engine,
            routes=self.routes,
            books=self.books,
            prompting=self.prompting,
            recordings=self.recordings,
            failover=self.failover,
            clock=self.clock,
        )

    async def add(self, call: CallRecord, wish: LegWish, callee: Callee | None = None) -> CallRecord:
        """Enters a leg of the call. Raises a `Refusal`, or one of `DatabaseUnavailable`: then it is not dialled.

        Of an address that is no number the leg goes to `callee`, or to the first that it stands for.
        """
        prepare: Prepare = self.failover.prepare
        if is_device_address(wish.to):
            callee = callee or (await self.callees.of(call, wish.to))[0]
            wish = msgspec.structs.replace(wish, device_class=callee.device_class)
            prepare = self._prepared_for(callee)
        try:
            async with self.database.transaction() as connection:
                return await self.adding.add(connection, call, wish, node_id=self.node_id, prepare=prepare)
        except DatabaseUnavailable:
            self.see_through(self.abandon(wish.leg_id))
            raise

    def _prepared_for(self, callee: Callee) -> Prepare:
        return lambda leg: self.engine.prepare(callee.route, caller=leg.from_address, callee=leg.to_address)

    def see_through(self, work: Coroutine[Any, Any, T]) -> "asyncio.Task[T]":
        """Does what must be done to its end, even if whoever waits for it is cancelled."""
        task = asyncio.ensure_future(work)
        self._seen_through.add(task)
        task.add_done_callback(self._seen_through.discard)
        return task

    async def abandon(self, leg_id: UUID) -> None:
        """Ends a leg that is not dialled, if its row is there: its commit may have succeeded unheard."""
        ending = Ending(cause=HangupCause.NETWORK_ERROR, by=HangupBy.PLATFORM, at=self.clock.now())
        await self.books.ended(leg_id, ending)
