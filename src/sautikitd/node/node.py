"""A voice node: claims calls while it has room, runs them, keeps its lease, and leaves nothing behind."""

import asyncio
from collections.abc import Awaitable
from typing import Any
from uuid import UUID

import structlog

from sautikitd.calls.claiming import Claimed
from sautikitd.calls.lifecycle import CallLifecycle
from sautikitd.calls.models import CallRecord
from sautikitd.calls.outcomes import CallStatus, HangupBy, HangupCause
from sautikitd.calls.steps import Ending
from sautikitd.clock import Clock
from sautikitd.database.pool import Database
from sautikitd.database.wake import Waker
from sautikitd.node.books import Books
from sautikitd.node.claims import Claiming
from sautikitd.node.conversation import Conversations
from sautikitd.node.devices.calls import DeviceDesk
from sautikitd.node.devices.identity import credential_of
from sautikitd.node.inbound import InboundCall, Reception
from sautikitd.node.lease import Lease
from sautikitd.node.live.commander import Commander, RunningCall
from sautikitd.node.outbound import OutboundCall
from sautikitd.node.prompting import Prompting
from sautikitd.node.recordings import NodeRecordings
from sautikitd.node.test_callers import CarrierUnreachable, TestCallers
from sautikitd.node.trunks.routes import CARRIER, Routes
from sautikitd.voice.engine import VoiceEngine
from sautikitd.voice.media.client import MediaLost
from sautikitd.voice.sip.inbound import InboundCall as SipCall

log = structlog.get_logger(__name__)


class VoiceNode:
    """`capacity` is in legs; `running` holds the calls it runs, and the legs they have dialled.

    Give `receive` to the user agent; run `run`; then `drain` and `close`.
    """

    def __init__(
        self,
        node_id: UUID,
        capacity: int,
        *,
        database: Database,
        lifecycle: CallLifecycle,
        engine: VoiceEngine,
        routes: Routes,
        books: Books,
        conversations: Conversations,
        prompting: Prompting,
        recordings: NodeRecordings,
        reception: Reception,
        test_callers: TestCallers,
        clock: Clock,
        waker: Waker,
        running: dict[UUID, RunningCall],
        devices: DeviceDesk,
    ) -> None:
        self.node_id = node_id
        self.capacity = capacity
        self.stopped = asyncio.Event()
        self._database = database
        self._lifecycle = lifecycle
        self._engine = engine
        self._routes = routes
        self._books = books
        self._conversations = conversations
        self._prompting = prompting
        self._recordings = recordings
        self._reception = reception
        self._test_callers = test_callers
        self._clock = clock
        self._calls = running
        self._devices = devices
        self._tasks: set[asyncio.Future[None]] = set()
        self._draining = False
        self.lease = Lease(node_id, database, clock, on_danger=self._hang_up_all, on_lapsed=self._lapsed)
        self._claiming = Claiming(
            node_id,
            database=database,
            lifecycle=lifecycle,
            clock=clock,
            waker=waker,
            current=conversations.dialling.failover.watch.current,
            prepare=self._prepare,
            room=self._room,
            start=self._start,
        )
        self.commander = Commander(node_id, database, clock, self._calls, recordings)

    @property
    def calls(self) -> int:
        return len(self._calls)

    @property
    def tasks(self) -> int:
        return len(self._tasks)

    def wake(self) -> None:
        """Something may be waiting: a queued call, a command."""
        self.look_for_calls()
        self.commander.wake()

    def look_for_calls(self) -> None:
        """A call was queued: that is told once a call, and the commands of other calls need not be read for it."""
        self._claiming.look()

    async def run(self) -> None:
        """Claims calls, and sees out those that have ended, until cancelled."""
        await asyncio.gather(self._claiming.run(), self._books.departures.run())

    async def receive(self, sip: SipCall) -> None:
        """An INVITE from a known source."""
        if self._draining or self._engine.legs >= self.capacity:
            sip.reject(503)
            return
        if (credential_id := credential_of(sip.identity)) is not None:
            if running := await self._devices.receive(sip, credential_id):
                self._calls[running.call.id] = running
                self._spawn(running.call.id, running.run())
            return
        call = await self._reception.receive(sip)
        if call is not None and sip.identity != CARRIER:
            self._run_inbound(call, sip)

    async def drain(self, timeout_s: float) -> None:
        """Takes nothing new, ends what runs in good order, and waits for it to be in the books."""
        self._draining = True
        self._hang_up_all(HangupCause.NORMAL_CLEARING)
        if self._tasks:
            await asyncio.wait(self._tasks, timeout=timeout_s)
        await self._recordings.close()
        if not self._calls:
            await self.lease.end()

    def _room(self) -> int:
        """How many more legs can be taken."""
        return 0 if self._draining else self.capacity - self._engine.legs

    def _prepare(self, call: CallRecord) -> dict[str, Any] | None:
        """What a CANCEL from another process needs, stored with the claim; None for a call that comes in."""
        route = self._routes.of(call)
        if call.direction == "inbound" or route is None:
            return None
        return self._engine.prepare(route, caller=call.from_address, callee=call.remote_e164)

    def _start(self, claimed: Claimed) -> None:
        self._spawn(claimed.call.id, self._run(claimed))

    async def _run(self, claimed: Claimed) -> None:
        if claimed.call.direction == "inbound":
            await self._ring_test_call(claimed.call)
            return
        call = OutboundCall(claimed, books=self._books, conversations=self._conversations)
        self._calls[claimed.call.id] = call
        if self._draining:  # it was being claimed when that began
            call.end(HangupCause.NORMAL_CLEARING)
        await call.run()

    async def _ring_test_call(self, call: CallRecord) -> None:
        try:
            sip = await self._test_callers.ring(call)
        except (CarrierUnreachable, TimeoutError) as exc:
            log.error("node.carrier_unreachable", call_id=str(call.id), error=str(exc))
            ending = Ending(cause=HangupCause.NETWORK_ERROR, by=HangupBy.CARRIER, at=self._clock.now())
            await self._books.ended(call.id, ending)
            return
        await self._inbound(call, sip).run()

    def _run_inbound(self, call: CallRecord, sip: SipCall) -> None:
        try:
            inbound = self._inbound(call, sip)
        except MediaLost:
            sip.reject(503)
            ending = Ending(cause=HangupCause.MEDIA_LOST, by=HangupBy.PLATFORM, at=self._clock.now())
            self._spawn(call.id, self._end(call.id, ending))
            return
        self._spawn(call.id, inbound.run())

    def _inbound(self, call: CallRecord, sip: SipCall) -> InboundCall:
        inbound = InboundCall(
            call,
            sip,
            sip.identity or CARRIER,
            engine=self._engine,
            routes=self._routes,
            books=self._books,
            conversations=self._conversations,
            prompting=self._prompting,
            recordings=self._recordings,
        )
        self._calls[call.id] = inbound
        return inbound

    async def _end(self, call_id: UUID, ending: Ending) -> None:
        await self._books.ended(call_id, ending)

    def _spawn(self, call_id: UUID, work: Awaitable[None]) -> None:
        task = asyncio.ensure_future(self._guarded(call_id, work))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _guarded(self, call_id: UUID, work: Awaitable[None]) -> None:
        """Whatever goes wrong in a call, the call ends."""
        try:
            await work
        except Exception:
            log.exception("node.call_failed", call_id=str(call_id))
            running = self._calls.get(call_id)
            if running is not None:
                running.end(HangupCause.INTERNAL_ERROR)
            ending = Ending(
                cause=HangupCause.INTERNAL_ERROR,
                by=HangupBy.PLATFORM,
                at=self._clock.now(),
                status=CallStatus.FAILED,
            )
            legs = running.legs if running is not None else ()
            own = next((leg for leg in legs if leg.call_id == call_id), None)
            await self._books.ended(call_id, ending, leg=own)
        finally:
            self._calls.pop(call_id, None)
            self._claiming.look()  # a slot is free

    def _hang_up_all(self, cause: HangupCause = HangupCause.NODE_LOST) -> None:
        for call in list(self._calls.values()):
            call.end(cause)

    def _lapsed(self) -> None:
        """Others may have ended our calls: we stop, and whoever supervises us starts a new node."""
        self._hang_up_all()
        self.stopped.set()
