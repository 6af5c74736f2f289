"""Supervisors of the calls that a node runs: dialled, seated beside the call, and hung up with it."""

import asyncio
from collections.abc import Mapping
from contextlib import suppress
from typing import Any
from uuid import UUID

import structlog

from sautikitd.calls.commands import Command, CommandKind
from sautikitd.calls.models import CallRecord
from sautikitd.calls.outcomes import CallStatus, HangupBy, HangupCause
from sautikitd.database.pool import DatabaseUnavailable
from sautikitd.errors import Refusal
from sautikitd.flow.port import LegGone, PromptUnavailable, Say
from sautikitd.node.dialling.means import Dialling
from sautikitd.node.dialling.rung import LegCall
from sautikitd.node.live.commander import Handler, RunningCall
from sautikitd.node.money import MoneyWatch
from sautikitd.supervision.legs import RING_S, supervisor_leg
from sautikitd.supervision.models import (
    Announce,
    SupervisionMode,
    SupervisionRecord,
    SupervisionState,
)
from sautikitd.supervision.service import CALL_ENDED, STOPPED, Supervisions
from sautikitd.voice.announcing import announce
from sautikitd.voice.leg import MediaLeg
from sautikitd.voice.media.client import MediaLost, MediaRefused
from sautikitd.voice.outbound_leg import OutboundLeg

log = structlog.get_logger(__name__)

ANNOUNCEMENT = Say(text="A supervisor has joined this call.", language="en-KE")


class Supervisors:
    """One for the node; its methods are `Handler`s of the commander. `calls` are the running calls by id."""

    def __init__(
        self, dialling: Dialling, supervisions: Supervisions, calls: Mapping[UUID, RunningCall]
    ) -> None:
        self.dialling = dialling
        self.supervisions = supervisions
        self._calls = calls
        self._running: dict[UUID, Supervising] = {}

    @property
    def handlers(self) -> dict[CommandKind, Handler]:
        return {
            CommandKind.SUPERVISION_START: self.start,
            CommandKind.SUPERVISION_CHANGE: self.change,
            CommandKind.SUPERVISION_STOP: self.stop,
        }

    async def start(self, command: Command) -> str:
        supervision_id = UUID(command.payload["supervision_id"])
        if supervision_id in self._running:
            return "under way"
        near = self._talking(command.call_id)
        call = self.dialling.recordings.known(near.call_id) if near else None
        if near is None or call is None:
            return "not here"  # the call ended in this moment; sweeping ends the supervision
        async with self.dialling.database.connection() as connection:
            supervision = await self.supervisions.find(connection, supervision_id)
        if supervision is None or supervision.state.over:
            return "over"
        running = self._running[supervision_id] = Supervising(self, supervision, call, near)
        task = self.dialling.see_through(running.run())
        task.add_done_callback(lambda _: self._running.pop(supervision_id, None))
        return "done"

    async def change(self, command: Command) -> str:
        running = self._running.get(UUID(command.payload["supervision_id"]))
        if running is None:
            return "not here"
        running.change(SupervisionMode(command.payload["mode"]))
        return "done"

    async def stop(self, command: Command) -> str:
        running = self._running.get(UUID(command.payload["supervision_id"]))
        if running is None:
            return "not here"
        running.stop()
        return "done"

    def _talking(self, call_id: UUID) -> MediaLeg | None:
        call = self._calls.get(call_id)
        legs = [leg for leg in call.legs if leg.answered and not leg.ended] if call else []
        return legs[0] if legs else None


class Supervising:
    """One supervisor of one call. `near` is the leg of the call itself, which others are dialled for."""

    def __init__(
        self, all_: Supervisors, supervision: SupervisionRecord, call: CallRecord, near: MediaLeg
    ) -> None:
        self._all = all_
        self._dialling = all_.dialling
        self._supervision = supervision
        self._call = call
        self._near = near
        self._mode = supervision.supervision_mode
        self._own_room = f"supervision-{supervision.id}"
        self._changed = asyncio.Event()
        self._stopped = False
        self._leg: OutboundLeg | None = None

    def change(self, mode: SupervisionMode) -> None:
        self._mode = mode
        self._changed.set()

    def stop(self) -> None:
        self._stopped = True
        if self._leg is not None:
            self._leg.end(HangupCause.NORMAL_CLEARING)

    async def run(self) -> None:
        state, reason = SupervisionState.FAILED, HangupCause.NETWORK_ERROR.value
        try:
            state, reason = await self._dial()
        except Refusal as refusal:
            reason = refusal.code
        except (MediaLost, MediaRefused, *DatabaseUnavailable) as exc:
            log.error("node.not_supervised", call_id=str(self._call.id), error=repr(exc))
        finally:
            if self._stopped or self._near.ended:
                state, reason = SupervisionState.ENDED, STOPPED if self._stopped else CALL_ENDED
            await self._commit(self._all.supervisions.ended, state, reason)

    async def _dial(self) -> tuple[SupervisionState, str]:
        supervision = self._supervision
        wish = supervisor_leg(self._call, supervision.supervisor_type, supervision.supervisor_address)
        record = await self._dialling.add(self._call, wish)
        await self._commit(self._all.supervisions.ringing, record.id)
        if record.status is not CallStatus.RINGING:
            return SupervisionState.FAILED, record.failure_code or HangupCause.NETWORK_ERROR.value
        legs = self._dialling.legs_for(self._call)
        try:
            leg = await legs.dial(record, beside=self._near)
        except Exception:
            await self._dialling.abandon(record.id)
            raise
        if leg is None:
            return SupervisionState.FAILED, HangupCause.NO_TRUNK.value
        self._leg = leg
        self._dialling.running[record.id] = LegCall(leg)
        hanging_up = asyncio.ensure_future(self._end_with_call(leg))
        try:
            dialog = await leg.answer_of(RING_S)
            if await legs.answered(record, leg, dialog):
                await self._supervise(record, leg)
        except LegGone as gone:
            log.debug("node.supervisor_gone", call_id=str(record.id), cause=gone.cause)
        finally:
            hanging_up.cancel()
            ended = await legs.close(record, leg)
            self._dialling.running.pop(record.id, None)
        state = SupervisionState.ENDED if leg.answered else SupervisionState.FAILED
        return state, (ended.failure_code or ended.hangup_cause or "") if ended else ""

    async def _end_with_call(self, leg: MediaLeg) -> None:
        """The supervisor never outlasts the call, however he stands to it."""
        if self._stopped:
            leg.end(HangupCause.NORMAL_CLEARING)
        await self._near.gone()
        leg.end(HangupCause.NORMAL_CLEARING, by=HangupBy.PLATFORM)

    async def _supervise(self, record: CallRecord, leg: MediaLeg) -> None:
        assert leg.answered_at is not None
        watch = MoneyWatch(record, leg, leg.answered_at, self._dialling.books, self._dialling.clock)
        beside = [asyncio.ensure_future(watch.run())]
        try:
            await self._take_seat(leg)
            await self._commit(self._all.supervisions.connected)
            beside.append(asyncio.ensure_future(self._announce()))
            await self._follow(leg)
        finally:
            for task in beside:
                task.cancel()
            await asyncio.gather(*beside, return_exceptions=True)
            if self._near.room == self._own_room and not self._near.ended:
                with suppress(MediaLost, MediaRefused):
                    await self._near.leave()

    async def _follow(self, leg: MediaLeg) -> None:
        """Stays beside the call, in whatever room it is, in the mode there is, until somebody goes."""
        while not (leg.ended or self._near.ended):
            self._near.moved.clear()
            self._changed.clear()
            await self._take_seat(leg)
            waits: list[asyncio.Future[Any]] = [
                asyncio.ensure_future(wait)
                for wait in (self._near.moved.wait(), self._changed.wait(), leg.gone(), self._near.gone())
            ]
            try:
                await asyncio.wait(waits, return_when=asyncio.FIRST_COMPLETED)
            finally:
                for wait in waits:
                    wait.cancel()

    async def _take_seat(self, leg: MediaLeg) -> None:
        near, agent = self._near, self._agent()
        try:
            if near.room is None:
                await near.join(self._own_room)
            heard_by = {
                SupervisionMode.LISTEN: [],
                SupervisionMode.WHISPER: [agent.media_id] if agent else [],
                SupervisionMode.BARGE: None,
            }[self._mode]
            overheard = [one.media_id for one in (near, self._partner()) if one is not None]
            await leg.join(near.room or self._own_room, heard_by=heard_by, overhears=overheard)
        except (MediaLost, MediaRefused):
            if not (leg.ended or near.ended):
                raise

    def _agent(self) -> MediaLeg | None:
        """Who is whispered to: the device that made the call, else the leg that was dialled for it, while it is there."""
        return self._near if self._call.by_device else self._partner()

    def _partner(self) -> MediaLeg | None:
        """The other leg of the bridge, where it is on this node."""
        partner = self._near.partner
        return partner if isinstance(partner, MediaLeg) else None

    async def _announce(self) -> None:
        agent = self._agent()
        try:
            if self._supervision.announce is Announce.BOTH:
                await announce(self._near, [ANNOUNCEMENT])
            elif self._supervision.announce is Announce.AGENT and agent is not None:
                await agent.play([ANNOUNCEMENT])
        except (LegGone, MediaLost, MediaRefused, PromptUnavailable) as exc:
            log.warning("node.not_announced", call_id=str(self._call.id), error=str(exc))

    async def _commit(self, step: Any, *values: Any) -> None:
        now = self._dialling.clock.now()
        supervision_id = self._supervision.id
        await self._dialling.books.persist(
            lambda connection: step(connection, self._call, supervision_id, *values, now)
        )
