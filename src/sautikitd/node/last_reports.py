"""Last reports to voice callbacks: by the node that ran a call, and else by any node that finds one owed."""

import asyncio
from contextlib import suppress
from uuid import UUID

import structlog

from sautikitd.calls import last_reports
from sautikitd.calls.models import CallRecord
from sautikitd.calls.outcomes import HangupCause
from sautikitd.clock import Clock
from sautikitd.database.pool import Database, DatabaseUnavailable
from sautikitd.flow.callbacks.last_report import send_last_report
from sautikitd.flow.context import CallOutcome, KeptRecording
from sautikitd.flow.interpreter import FlowRunner
from sautikitd.node.callback_clients import CallbackClients
from sautikitd.node.flow_facts import context_of, recording_url
from sautikitd.node.recordings import NodeRecordings
from sautikitd.recordings.service import RecordingService

log = structlog.get_logger(__name__)

_EVERY_S = 1.0
_AT_ONCE = 50
_STORED_WITHIN_S = 3.0
"""How long a report waits for the call's own recording, so that it can be fetched when it is told of."""


class LastReports:
    """`public_url` is where recordings are fetched from."""

    def __init__(
        self,
        *,
        database: Database,
        callbacks: CallbackClients,
        recordings: NodeRecordings,
        kept: RecordingService,
        clock: Clock,
        public_url: str,
    ) -> None:
        self._database = database
        self._callbacks = callbacks
        self._recordings = recordings
        self._kept = kept
        self._clock = clock
        self._public_url = public_url
        self._telling: set[asyncio.Task[None]] = set()
        self._woken = asyncio.Event()

    async def tell(self, ended: CallRecord, runner: FlowRunner | None, recording_id: UUID | None) -> None:
        """Of a call that this node ended and claimed. `runner` is that of its flow, if it began."""
        if not last_reports.owed(ended):
            return
        if recording_id is not None:
            await self._recordings.stored(recording_id, _STORED_WITHIN_S)
        await self._send(ended, runner)

    async def run(self) -> None:
        """Once a second, and when woken, until cancelled."""
        while True:
            try:
                await self.take_up()
            except DatabaseUnavailable as exc:
                log.warning("node.reports_wait", error=repr(exc))
            with suppress(TimeoutError):
                async with asyncio.timeout(_EVERY_S):
                    await self._woken.wait()
            self._woken.clear()

    def wake(self) -> None:
        """A call has ended of which nobody may have told."""
        self._woken.set()

    async def take_up(self) -> None:
        """Starts telling what nobody tells: of calls that never got a leg, and of those whose node has gone."""
        room = _AT_ONCE - len(self._telling)
        if room < 1:
            return
        async with self._database.transaction() as connection:
            owed = await last_reports.claim(connection, self._clock.now(), room)
        for call in owed:
            task = asyncio.ensure_future(self._guarded(call))
            self._telling.add(task)
            task.add_done_callback(self._telling.discard)

    async def close(self) -> None:
        """What is being told is left to whoever finds it owed."""
        for task in self._telling:
            task.cancel()
        await asyncio.gather(*self._telling, return_exceptions=True)

    async def _guarded(self, call: CallRecord) -> None:
        try:
            await self._send(call, None)
        except DatabaseUnavailable as exc:
            log.warning("node.reports_wait", call_id=str(call.id), error=repr(exc))
        except Exception:  # its claim runs out, and it is tried again
            log.exception("node.report_failed", call_id=str(call.id))

    async def _send(self, call: CallRecord, runner: FlowRunner | None) -> None:
        outcome = await self._outcome(call)
        if runner is not None:
            await runner.report_end(outcome)
        else:
            context = context_of(call, self._public_url)
            await send_last_report(self._callbacks.of(call), context, outcome)
        async with self._database.connection() as connection:
            await last_reports.told(connection, call.id)

    async def _outcome(self, call: CallRecord) -> CallOutcome:
        async with self._database.connection() as connection:
            newest = (await self._kept.latest(connection, [call.id])).get(call.id)
        recording = None
        if newest is not None:
            url = recording_url(self._public_url, newest.id)
            recording = KeptRecording(id=newest.id, url=url, duration_seconds=newest.duration_seconds)
        return CallOutcome(
            duration_seconds=call.billed_seconds or 0,
            cost_minor=call.cost_minor,
            hangup_cause=call.hangup_cause or HangupCause.NORMAL_CLEARING,
            ended_at=call.ended_at,
            sip_code=call.sip_code,
            recording=recording,
        )
