"""A conversation of two parties, from the moment they are put together to its end, through all its transfers.

It does not belong to a flow: whoever runs the call may hand the other party on, and go. What a flow waits for is that
its own party is through with it (`Party.over`).
"""

import asyncio
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from functools import partial
from typing import Any

import structlog

from sautikitd.calls.outcomes import HangupCause
from sautikitd.flow.port import Dialled, DialStatus, LegGone
from sautikitd.node.dialling.far_talk import FarTalk
from sautikitd.node.dialling.handing_on import HandingOn
from sautikitd.node.dialling.means import Dialling
from sautikitd.node.dialling.party import Party
from sautikitd.voice.bridge import Bridge
from sautikitd.voice.media.client import MediaLost, MediaRefused
from sautikitd.voice.sip.dialog import DialogKey
from sautikitd.voice.sip.referral import Referral

log = structlog.get_logger(__name__)

Taken = Callable[[], Awaitable[None]]
DialOn = Callable[[Party, str, Taken], Awaitable[Dialled]]
"""Rings an address for a party, and returns when their conversation is over; the third is told when they have met."""

Wish = Referral | FarTalk
"""What is to become of a conversation: a REFER of one of the two, or a place on another node, for one of them."""

_DECLINED = Dialled(status=DialStatus.FAILED, cause=HangupCause.CALL_REJECTED)


class Talk:
    """Run it in a task of its own, to its end. `dial_on` is what a blind transfer takes; `ring_on` its ring tone."""

    def __init__(
        self, dialling: Dialling, near: Party, far: Party, dial_on: DialOn, *, on_begun: Taken | None = None
    ) -> None:
        self._dialling = dialling
        self._near = near
        self._far = far
        self._dial_on = dial_on
        self._on_begun = on_begun
        self._bridge = Bridge(near.leg, far.leg)
        self._asked: asyncio.Future[tuple[Party, Wish]] | None = None
        self._promised = False
        self._parting: asyncio.Future[Party] = asyncio.get_running_loop().create_future()
        self._passed_on = False
        self.warnings: list[str] = []

    async def run(self) -> None:
        became: Dialled | None = None
        stops = [
            party.leg.on_referral(partial(self._take, party))
            for party in (self._near, self._far)
            if party.may_hand_on
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
            if isinstance(wish, FarTalk):
                over, became = await self._give(handed_on, referrer, wish)
            elif wish.replaces is None:
                over, became = await self._hand_on(handed_on, referrer, wish)
            else:
                over, became = await self._put_together(handed_on, referrer, wish, wish.replaces)
            if over:
                return became
        return None

    async def _next(self) -> tuple[Party, Wish] | None:
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
        if isinstance(wish, FarTalk):
            await wish.call_off()
        else:
            wish.refuse()

    def _take(self, party: Party, referral: Referral) -> None:
        """One at a time: a second one meanwhile is declined."""
        if self._promised or self._asked is None or self._asked.done():
            referral.refuse()
        else:
            self._asked.set_result((party, referral))

    # A blind transfer

    async def _hand_on(
        self, party: Party, referrer: Party, referral: Referral
    ) -> tuple[bool, Dialled | None]:
        """Rings whom a REFER names, as any dial does. When nobody answers, the two talk on, if both are there."""
        handing = HandingOn(referral, referrer.leg, self._dialling.see_through)
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

    async def _let_go(self, referrer: Party, other: Party) -> None:
        """He who handed the other on is in the books as soon as he is gone, however long the others talk."""
        await referrer.gone()
        await referrer.close(other)
        referrer.finish(None)

    # An attended transfer (RFC 5589 §7)

    async def _put_together(
        self, party: Party, referrer: Party, referral: Referral, replaced: DialogKey
    ) -> tuple[bool, Dialled | None]:
        """Whom the referrer talks with here, and whom in the dialog that he names. Both of his own are then over."""
        found = self._named(replaced, referrer)
        if found is None:
            return await self._put_together_elsewhere(party, referrer, referral, replaced)
        other, their = found
        handing = HandingOn(referral, referrer.leg, self._dialling.see_through)
        met, self._passed_on = other.take_away(their), True
        leaving = [self._dialling.see_through(self._let_go(one, party)) for one in (referrer, their)]
        await self._bridge.close()
        await other.parted()

        async def taken() -> None:
            await handing.taken()
            their.leg.end(HangupCause.NORMAL_CLEARING)

        await Talk(self._dialling, party, met, self._dial_on, on_begun=taken).run()
        if not handing.done:
            handing.failed(None)
            for one in (referrer, their):
                one.leg.end(HangupCause.NORMAL_CLEARING)
        await asyncio.gather(*leaving)
        return True, None

    def _named(self, replaced: DialogKey, referrer: Party) -> "tuple[Talk, Party] | None":
        """The conversation of that dialog, and the referrer's side of it, where it is of the same workspace."""
        for talk in self._dialling.talks:
            side = talk.side_of(replaced)
            if side is not None and talk is not self:
                ours, theirs = referrer.call, side.call
                same = (ours.workspace_id, ours.mode) == (theirs.workspace_id, theirs.mode)
                return (talk, side) if same and side.may_hand_on else None
        return None

    def side_of(self, dialog: DialogKey) -> Party | None:
        """Whose dialog it is, if the two are talking and can be taken apart."""
        both = self._near.here and self._far.here
        if self._promised or self._asked is None or self._parting.done() or not both:
            return None
        return next((side for side in (self._near, self._far) if side.leg.dialog_key == dialog), None)

    def take_away(self, leaver: Party) -> Party:
        """Ends the conversation without ending anybody: who talked with `leaver`."""
        stays = self.other_than(leaver)
        self._parting.set_result(stays)
        return stays

    def other_than(self, party: Party) -> Party:
        return self._far if party is self._near else self._near

    async def parted(self) -> None:
        """Both are out of the room that they met in."""
        await self._bridge.close()

    # An attended transfer between two nodes

    async def _put_together_elsewhere(
        self, party: Party, referrer: Party, referral: Referral, replaced: DialogKey
    ) -> tuple[bool, Dialled | None]:
        """The same where another node has the dialog that the referrer names. Until that node has agreed and has his
        other party in a room, the two here talk on."""
        elsewhere = self._dialling.elsewhere
        holder = await elsewhere.holder(referrer, replaced)
        if holder is None:
            referral.refuse()
            return False, None
        handing = HandingOn(referral, referrer.leg, self._dialling.see_through)
        leaving = self._dialling.see_through(self._let_go(referrer, party))
        far = await elsewhere.ask(holder, party, replaced)
        if far is not None and await self._met(far):
            await handing.taken()
            await far.run()
            await leaving
            return True, None
        handing.failed(_DECLINED)
        return False, None

    @contextmanager
    def promised(self) -> Iterator[None]:
        """While another node is told that it may have one of the two, nobody else may take them apart."""
        self._promised = True
        try:
            yield
        finally:
            self._promised = False

    def lead_into(self, leaver: Party, far: FarTalk) -> bool:
        """Whoever talks with `leaver` here goes into a room with a party of another node; False when it is too late."""
        both = self._near.here and self._far.here
        if self._asked is None or self._asked.done() or self._parting.done() or not both:
            return False
        self._asked.set_result((leaver, far))
        return True

    async def _give(self, party: Party, leaver: Party, far: FarTalk) -> tuple[bool, Dialled | None]:
        leaving = self._dialling.see_through(self._let_go(leaver, party))
        if not await self._met(far):
            return False, None
        leaver.leg.end(HangupCause.NORMAL_CLEARING)
        await far.run()
        await leaving
        return True, None

    async def _met(self, far: FarTalk) -> bool:
        """Whether he is out of this conversation and in that one; else the two here go on, if both are there."""
        if await far.begin(self._bridge.close):
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
