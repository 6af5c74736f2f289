"""A conversation of two parties, from the moment they are put together to its end, through all its transfers.

It does not belong to a flow: whoever runs the call may hand the other party on, and go. What a flow waits for is that
its own party is through with it (`Party.over`).
"""

import asyncio
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from functools import partial
from typing import Any
from uuid import UUID

import structlog

from sautikitd.calls.outcomes import HangupCause
from sautikitd.events.models import Mode
from sautikitd.flow.port import Dialled, DialStatus, LegGone
from sautikitd.node.dialling.away import Away
from sautikitd.node.dialling.forwarded import Asking
from sautikitd.node.dialling.handing_on import HandingOn
from sautikitd.node.dialling.means import Dialling
from sautikitd.node.dialling.meeting import Meeting
from sautikitd.node.dialling.party import Party, Side
from sautikitd.node.dialling.transfer_books import Spot
from sautikitd.voice.media.client import MediaLost, MediaRefused
from sautikitd.voice.sip.dialog import DialogKey

log = structlog.get_logger(__name__)

Taken = Callable[[], Awaitable[None]]
DialOn = Callable[[Party, str, Taken], Awaitable[Dialled]]
"""Rings an address for a party, and returns when their conversation is over; the third is told when they have met."""

Wish = Asking | Meeting
"""What is to become of a conversation: a REFER of one of the two, or whom one of them meets on another node."""

_DONE = 200
_DECLINED = Dialled(status=DialStatus.FAILED, cause=HangupCause.CALL_REJECTED)


class Talk:
    """Run it in a task of its own, to its end. `dial_on` is what a blind transfer takes. `far` may be on another node."""

    def __init__(
        self, dialling: Dialling, near: Party, far: Side, dial_on: DialOn, *, on_begun: Taken | None = None
    ) -> None:
        self._dialling = dialling
        self._near = near
        self._far = far
        self._dial_on = dial_on
        self._on_begun = on_begun
        self._bridge = far.bridge_to(near)
        self._asked: asyncio.Future[tuple[Side, Wish]] | None = None
        self._promised = False
        self._parting: asyncio.Future[Side] = asyncio.get_running_loop().create_future()
        self._passed_on = False
        self.warnings: list[str] = []

    async def run(self) -> None:
        became: Dialled | None = None
        stops = [
            party.on_referral(partial(self.take, party))
            for party in (self._near, self._far)
            if isinstance(party, Party)
        ]
        self._dialling.talks.add(self)
        try:
            await self._bridge.open()
            if self._on_begun:
                await self._on_begun()
            became = await self._converse()
        except (MediaLost, MediaRefused) as exc:
            log.error("node.not_bridged", call_id=str(self._near.call.id), error=str(exc))
        finally:
            self._dialling.talks.discard(self)
            for stop in stops:
                stop()
            await self._end(became)

    async def _converse(self) -> Dialled | None:
        """Until it is over here; what became of it elsewhere, when one was handed on."""
        while asked := await self._next():
            referrer, wish = asked
            handed_on = self.other_than(referrer)
            if isinstance(wish, Meeting):
                over, became = await self._give(wish.party, referrer, wish)
            elif isinstance(handed_on, Away):
                over, became = await self._send_on(handed_on, referrer, wish)
            elif not isinstance(handed_on, Party):
                raise TypeError(handed_on)
            elif wish.replaces is None:
                over, became = await self._hand_on(handed_on, referrer, wish)
            else:
                over, became = await self._put_together(handed_on, referrer, wish, wish.replaces)
            if over:
                return became
        return None

    async def _next(self) -> tuple[Side, Wish] | None:
        """What one of them asks for; None when one has gone, or was taken into another conversation."""
        self._asked = asyncio.get_running_loop().create_future()
        leaving = [asyncio.ensure_future(party.gone()) for party in (self._near, self._far)]
        either: set[asyncio.Future[Any]] = {self._asked, self._parting, *leaving}
        try:
            await asyncio.wait(either, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for waiting in leaving:
                waiting.cancel()
            asked, self._asked = self._asked, None
        if not asked.done():
            return None
        if self._parting.done() or not (self._near.here and self._far.here):
            await self._refuse(asked.result()[1])
            return None
        return asked.result()

    @staticmethod
    async def _refuse(wish: Wish) -> None:
        if isinstance(wish, Meeting):
            await wish.call_off()
        else:
            wish.refuse()

    def take(self, party: Side, referral: Asking) -> None:
        """A REFER of one of the two. One at a time: a second one meanwhile is declined."""
        if self._promised or self._asked is None or self._asked.done():
            referral.refuse()
        else:
            self._asked.set_result((party, referral))

    # A blind transfer

    async def _hand_on(self, party: Party, referrer: Side, referral: Asking) -> tuple[bool, Dialled | None]:
        """Rings whom a REFER names, as any dial does. When nobody answers, the two talk on, if both are there."""
        handing = HandingOn(referral, referrer, self._dialling.see_through)
        self._dialling.see_through(self._let_go(referrer, party))
        await self._bridge.close()
        outcome = await self._rung_for(party, handing)
        if handing.done:
            return True, outcome
        handing.failed(outcome)
        self.warnings += outcome.warnings if outcome else ()
        if not (party.here and referrer.here):
            return True, None
        await self._bridge.open()
        return False, None

    async def _rung_for(self, party: Party, handing: HandingOn) -> Dialled | None:
        """None when he has gone or was withdrawn meanwhile."""
        dialling = asyncio.ensure_future(self._dial_on(party, handing.target, handing.taken))
        leaving = asyncio.ensure_future(party.gone())
        either: set[asyncio.Future[Any]] = {dialling, leaving}
        try:
            await asyncio.wait(either, return_when=asyncio.FIRST_COMPLETED)
            return dialling.result() if dialling.done() else None
        except LegGone:
            return None
        finally:
            for task in (dialling, leaving):
                task.cancel()
            await asyncio.gather(dialling, leaving, return_exceptions=True)

    async def _let_go(self, referrer: Side, other: Side) -> None:
        """He who handed the other on is in the books as soon as he is gone, however long the others talk."""
        await referrer.gone()
        await referrer.close(other)
        referrer.finish(None)

    # An attended transfer (RFC 5589 §7)

    async def _put_together(
        self, party: Party, referrer: Side, referral: Asking, replaced: DialogKey
    ) -> tuple[bool, Dialled | None]:
        """Whom the referrer talks with here, and whom in the dialog that he names. Both of his own are then over.

        Until it is sure that the two meet, everybody talks on.
        """
        spot = their = None
        named = self._dialling.in_dialog(replaced)
        if named is not None:
            other, their = named
            if other is self or other.of != self.of or not their.may_hand_on:
                referral.refuse()
                return False, None
            met = other.other_than(their)
            if isinstance(met, Away):
                spot = Spot(met.holder, seat_id=met.seat_id)
        else:
            spot = await self._dialling.elsewhere.holder(party, replaced)
            if spot is None:
                referral.refuse()
                return False, None
        handing = HandingOn(referral, referrer, self._dialling.see_through)
        if spot is None and named is not None:
            return await self._put_together_here(party, referrer, handing, *named)
        self._dialling.see_through(self._let_go(referrer, party))
        meeting = await self._sought(spot, party) if spot else None
        if isinstance(meeting, Spot):  # a party of ours, as it turned out
            seated = self._dialling.seated_at(meeting.seat_id) if meeting.seat_id else None
            if seated is not None and seated[0] is not self and seated[0].of == self.of:
                return await self._put_together_here(party, referrer, handing, *seated)
        elif meeting is not None and await self._met(meeting):
            await handing.taken()
            if their is not None:
                their.end()
            await Talk(self._dialling, party, Away(meeting), self._dial_on).run()
            return True, None
        handing.failed(_DECLINED)
        return False, None

    async def _sought(self, spot: Spot, party: Party) -> Meeting | Spot | None:
        """Asks the node of `spot`, and the one that it names; a spot where that is this one."""
        elsewhere = self._dialling.elsewhere
        answer = await elsewhere.ask(spot, party)
        if isinstance(answer, Spot) and answer.holder.node_id != self._dialling.node_id:
            answer = await elsewhere.ask(answer, party)
            return None if isinstance(answer, Spot) else answer
        return answer

    async def _put_together_here(
        self, party: Party, referrer: Side, handing: HandingOn, other: "Talk", their: Side
    ) -> tuple[bool, Dialled | None]:
        met, self._passed_on = other.take_away(their), True
        leaving = [self._dialling.see_through(self._let_go(one, party)) for one in (referrer, their)]
        await self._bridge.close()
        await other.parted()

        async def taken() -> None:
            await handing.taken()
            their.end()

        await Talk(self._dialling, party, met, self._dial_on, on_begun=taken).run()
        if not handing.done:
            handing.failed(None)
            for one in (referrer, their):
                one.end()
        await asyncio.gather(*leaving)
        return True, None

    @property
    def of(self) -> tuple[UUID, Mode]:
        """The workspace and mode of the two."""
        return self._near.call.workspace_id, self._near.call.mode

    @property
    def _free(self) -> bool:
        """Whether the two are talking and can be taken apart."""
        both = self._near.here and self._far.here
        return not self._promised and self._asked is not None and not self._parting.done() and both

    def side_of(self, dialog: DialogKey) -> Party | None:
        """Whose dialog it is, if the two can be taken apart."""
        sides = (side for side in (self._near, self._far) if isinstance(side, Party))
        return next((side for side in sides if self._free and side.dialog_key == dialog), None)

    def away_from(self, seat_id: UUID) -> Away | None:
        """Whom our party of that seat talks with, if the two can be taken apart."""
        far = self._far
        return far if isinstance(far, Away) and far.met_in == seat_id and self._free else None

    def take_away(self, leaver: Side) -> Side:
        """Ends the conversation without ending anybody: who talked with `leaver`."""
        stays = self.other_than(leaver)
        self._parting.set_result(stays)
        return stays

    def other_than(self, side: Side) -> Side:
        return self._far if side is self._near else self._near

    async def parted(self) -> None:
        """Both are out of the room that they met in."""
        await self._bridge.close()

    # Transfers between two nodes

    async def _send_on(self, away: Away, referrer: Side, referral: Asking) -> tuple[bool, Dialled | None]:
        """A REFER of our party's: the other one is handed on by his own node, which dials on his behalf."""
        assert isinstance(referrer, Party)
        handing = HandingOn(referral, referrer, self._dialling.see_through)
        code = await self._dialling.elsewhere.refer(away, referrer, referral)
        if code == _DONE:
            await handing.taken()
            await referrer.gone()  # once he has been told
            return True, None
        handing.failed_with(code)
        return False, None

    @contextmanager
    def promised(self) -> Iterator[None]:
        """While another node is told that it may have one of the two, nobody else may take them apart."""
        self._promised = True
        try:
            yield
        finally:
            self._promised = False

    def lead_into(self, leaver: Side, meeting: Meeting) -> bool:
        """Whoever talks with `leaver` here meets a party of another node; False when it is too late."""
        if not self._free or self._asked is None or self._asked.done():
            return False
        self._asked.set_result((leaver, meeting))
        return True

    async def _give(self, party: Party, leaver: Side, meeting: Meeting) -> tuple[bool, Dialled | None]:
        self._dialling.see_through(self._let_go(leaver, party))
        if not await self._met(meeting):
            return False, None
        leaver.end()
        await Talk(self._dialling, party, Away(meeting), self._dial_on).run()
        return True, None

    async def _met(self, meeting: Meeting) -> bool:
        """Whether he is out of this conversation and in that one; else the two here go on, if both are there."""
        if await meeting.begin(self._bridge.close):
            self._passed_on = True
            return True
        if self._near.here and self._far.here:
            await self._bridge.open()
        return False

    # The end

    async def _end(self, became: Dialled | None) -> None:
        await self._bridge.close()
        if self._passed_on or self._parting.done():
            return  # they are in another conversation, or on their way out
        near, far = self._near, self._far
        far_record = None
        try:
            near_record, far_record = await near.close(far), await far.close(near)
            far.finish(became or near_record)
        finally:
            near.finish(became or far_record)
