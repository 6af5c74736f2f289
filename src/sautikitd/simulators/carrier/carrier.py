"""The carrier itself: numbers that can be called, callers that can be sent, and what became of them."""

import asyncio
import tempfile
from collections.abc import Sequence
from pathlib import Path
from types import TracebackType
from typing import Any, Self
from uuid import UUID

import structlog

from sautikitd.calls.outcomes import HangupCause
from sautikitd.clock import Clock, SystemClock
from sautikitd.flow.port import PromptUnavailable
from sautikitd.ids import uuid7
from sautikitd.simulators.carrier.behaviours import behaviour_of
from sautikitd.simulators.carrier.ear import CarrierBook
from sautikitd.simulators.carrier.journal import Direction, Entry, Journal
from sautikitd.simulators.carrier.line import Line, PlacedLine, ReceivedLine
from sautikitd.simulators.carrier.orders import CallOrder
from sautikitd.simulators.carrier.steps import Steps
from sautikitd.voice.engine import Route, VoiceEngine
from sautikitd.voice.inbound_leg import InboundLeg
from sautikitd.voice.media.client import MediaLost, MediaRefused
from sautikitd.voice.media_pool import MediaPool
from sautikitd.voice.prompts import PromptRenderer
from sautikitd.voice.sip.hops import Hop
from sautikitd.voice.sip.inbound import InboundCall
from sautikitd.voice.sip.user_agent import UserAgent
from sautikitd.voice.speech.cache import PromptCache
from sautikitd.voice.speech.sounds import AudioFiles, Sounds
from sautikitd.voice.speech.speech import Speech

log = structlog.get_logger(__name__)

TEST_CALL_HEADER = "X-Sautikit-Test-Call"
_CODECS = ("PCMU", "PCMA")
_GOODBYE_S = 1.0


class CallExists(Exception):
    """A call of that id is going on already."""


class _AnswersKeptNowhere:
    """The answer book of a carrier: its calls die with its process."""

    async def answered(self, leg: InboundLeg, dialog: dict[str, Any]) -> None:
        log.debug("carrier.answered", call_id=str(leg.call_id))


class Carrier:
    """Speaks SIP at `sip` (UDP and TCP, port 0 takes a free one), RTP on free ports of the same address.

    prompts: folder of rendered speech. record_to: an existing folder that gets a WAV of every answered call, named by
    its SIP Call-ID; None keeps none. clock: of its waits and time-outs. Use it as a context manager.
    """

    def __init__(
        self,
        *,
        sip: tuple[str, int],
        prompts: Path,
        record_to: Path | None = None,
        clock: Clock | None = None,
    ) -> None:
        self._sip = sip
        self._scratch = tempfile.TemporaryDirectory(prefix="sautikit-carrier-")
        self._book = CarrierBook(Path(self._scratch.name), record_to)
        cache = PromptCache(prompts)
        self._sounds = Sounds()
        self._speech = Speech(cache, self._sounds)
        self._prompts = PromptRenderer(self._speech, AudioFiles(cache, self._sounds), _no_fetching)
        self._clock = clock or SystemClock()
        self.journal = Journal(self._clock)
        self._lines: dict[UUID, Line[Any]] = {}
        self._given_up: set[UUID] = set()
        self._tasks: set[asyncio.Task[None]] = set()
        self._closing = False

    async def __aenter__(self) -> Self:
        """Raises `OSError` when the port is taken."""
        self._agent = UserAgent(on_invite=self._receive, name="Sautikit simulated carrier")
        self._engine = VoiceEngine(
            self._agent,
            MediaPool(bind_address=self._sip[0], port_range=(0, 0)),
            addresses=(self._sip[0],),
            domain=self._sip[0],
            book=self._book,
            clock=self._clock,
        )
        await self._engine.start()
        try:
            await self._agent.start(self._sip)
        except BaseException:
            await self._engine.close()
            raise
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Says goodbye to every call, waits a few seconds for the answers, and frees the port."""
        self._closing = True
        for line in self._lines.values():
            line.leg.end(HangupCause.NORMAL_CLEARING)
        if self._tasks:
            await asyncio.wait(self._tasks, timeout=_GOODBYE_S)
        for task in self._tasks:
            task.cancel()
        await self._engine.close()
        await self._agent.stop()
        await self._speech.close()
        await self._sounds.close()
        self._scratch.cleanup()

    @property
    def bound(self) -> tuple[str, int]:
        """Where it speaks SIP."""
        address = self._agent.bound
        return address[0], address[1]

    @property
    def legs(self) -> int:
        """Legs the engine still holds; zero when nothing goes on."""
        return self._engine.legs

    @property
    def dialogs(self) -> int:
        """SIP dialogs that are open, early ones included."""
        return self._agent.gauges.dialogs

    def place(self, order: CallOrder, steps: Steps) -> Entry:
        """Sends a caller; the INVITE carries the order's id. Raises `CallExists`."""
        if any(entry.call_id == order.call_id for entry in self.journal.current):
            raise CallExists(f"call {order.call_id} is going on already")
        entry = self.journal.open(order.call_id, Direction.PLACED, order.from_, order.to)
        self._spawn(self._call(order, steps, entry))
        return entry

    def hang_up(self, call_id: UUID) -> bool:
        """Ends a call from the carrier's side: BYE, CANCEL or a refusal. False when there is no such call."""
        entry = self.journal.find(call_id)
        if entry is None or not entry.current:
            return False
        if line := self._lines.get(call_id):
            line.leg.end(HangupCause.NORMAL_CLEARING)
        else:
            self._given_up.add(call_id)  # its media is still being opened
        return True

    async def _receive(self, call: InboundCall) -> None:
        if self._closing:
            call.reject(503)
            return
        call_id = uuid7()
        try:
            leg = self._engine.accept(call_id, call, _CODECS, self._prompts, _AnswersKeptNowhere())
        except MediaLost as error:
            log.warning("carrier.no_media", error=str(error))
            call.reject(503)
            return
        entry = self.journal.open(call_id, Direction.RECEIVED, call.from_.user, call.called)
        entry.sip_call_id = call.call_id
        recording = self._book.expect(call_id, call.call_id)
        line = ReceivedLine(leg, call, entry, self.journal, recording=recording)
        self._spawn(self._hold(line, behaviour_of(call.called)))

    async def _call(self, order: CallOrder, steps: Steps, entry: Entry) -> None:
        route = Route(hop=Hop(host=order.host, port=order.port), codecs=_CODECS)
        headers: Sequence[tuple[str, str]] = [(TEST_CALL_HEADER, str(order.call_id))]
        try:
            prepared = self._engine.prepare(route, caller=order.from_, callee=order.to, headers=headers)
            entry.sip_call_id = prepared["invite"]["state"]["call_id"]
            leg = await self._engine.dial(
                order.call_id,
                prepared,
                route,
                self._prompts,
                lambda _: self.journal.note(entry, "it rings there"),
            )
        except (MediaLost, MediaRefused, ValueError) as error:
            self.journal.note(entry, f"not placed: {error}")
            self.journal.close(entry)
            return
        recording = self._book.expect(order.call_id, entry.sip_call_id or str(order.call_id))
        line = PlacedLine(leg, entry, self.journal, recording=recording)
        if order.call_id in self._given_up:
            self._given_up.discard(order.call_id)
            leg.end(HangupCause.NORMAL_CLEARING)
        await self._hold(line, steps)

    async def _hold(self, line: Line[Any], steps: Steps) -> None:
        self._lines[line.entry.call_id] = line
        try:
            await line.run(steps)
        finally:
            del self._lines[line.entry.call_id]
            self._book.forget(line.entry.call_id)

    def _spawn(self, work: Any) -> None:
        task = asyncio.ensure_future(work)
        self._tasks.add(task)
        task.add_done_callback(self._finished)

    def _finished(self, task: asyncio.Task[None]) -> None:
        self._tasks.discard(task)
        if not task.cancelled() and (error := task.exception()) is not None:
            log.error("carrier.call_failed", exc_info=error)


async def _no_fetching(url: str) -> bytes:
    raise PromptUnavailable("the simulated carrier plays nothing from elsewhere")
