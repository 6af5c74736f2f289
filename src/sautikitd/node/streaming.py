"""The streams of calls: opened with a signed upgrade request, joined to the leg, and told of by status callbacks."""

import asyncio
import math
from collections.abc import Awaitable, Callable, Coroutine, Sequence
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urlsplit

import structlog

from sautikitd.calls.models import CallRecord
from sautikitd.clock import Clock
from sautikitd.database.pool import DatabaseUnavailable
from sautikitd.egress.client import sent_form
from sautikitd.egress.signatures import SIGNATURE_HEADER, sign
from sautikitd.flow.callbacks.client import CallbackClient
from sautikitd.flow.callbacks.question import Question, SessionState
from sautikitd.flow.callbacks.twilio import TWILIO_SIGNATURE_HEADER, twilio_signature
from sautikitd.flow.callbacks.vocabulary import Asking
from sautikitd.flow.context import FlowContext
from sautikitd.flow.journal import EntryKind, FlowEntry, Journal
from sautikitd.flow.streams import Streamed, StreamEnd, StreamEvent, StreamProtocol, StreamSpec, StreamTrack
from sautikitd.ids import uuid7
from sautikitd.node.stream_legs import StreamLeg, StreamLegs, StreamRefused
from sautikitd.timestamps import rfc3339
from sautikitd.voice.leg import MediaLeg
from sautikitd.voice.media.client import MediaLost, MediaRefused
from sautikitd.voice.streams.client import OpenedStream, StreamClient
from sautikitd.voice.streams.dialect import Opening
from sautikitd.voice.streams.orders import OpenStream, StreamEnded

log = structlog.get_logger(__name__)

MOST_STREAMS = 4
"""Of one call at a time."""

SecretSource = Callable[[], Awaitable[Sequence[str]]]


@dataclass(frozen=True, kw_only=True)
class CallStreams:
    """The `Streamer` of one call. Streams that run beside the flow outlive it, and end with the leg."""

    client: StreamClient
    legs: StreamLegs
    call: CallRecord
    leg: MediaLeg
    callbacks: CallbackClient
    context: Callable[[], FlowContext]
    secrets: SecretSource
    journal: Journal
    clock: Clock
    see_through: Callable[[Coroutine[Any, Any, Any]], "asyncio.Task[Any]"]
    """Does what must be done to its end, even if whoever waits for it is cancelled."""
    open: "dict[str, RunningStream]" = field(default_factory=dict)

    async def connect(self, spec: StreamSpec) -> Streamed:
        stream = self._make(spec)
        if isinstance(stream, str):
            return Streamed(stream_id="", end=StreamEnd.FAILED, error=stream, warnings=(stream,))
        work = self.see_through(stream.run())
        try:
            streamed: Streamed = await self.leg.until_gone(asyncio.shield(work))
            return streamed
        finally:
            stream.stop()
            self.leg.forget_digits()  # those of the conversation are not for the next verb

    async def begin(self, spec: StreamSpec) -> str | None:
        stream = self._make(spec)
        if isinstance(stream, str):
            return stream
        self.see_through(self._beside(stream))
        return None

    async def stop(self, name: str) -> int:
        named = [one for one in self.open.values() if not name or one.spec.name == name]
        for stream in named:
            stream.stop()
        return len(named)

    def _make(self, spec: StreamSpec) -> "RunningStream | str":
        """A stream that is not open yet; or why there cannot be another."""
        if len(self.open) >= MOST_STREAMS:
            return f"a call has at most {MOST_STREAMS} streams at a time"
        if spec.name and any(one.spec.name == spec.name for one in self.open.values()):
            return f"a stream called {spec.name} is running"
        stream = RunningStream(self, spec)
        self.open[stream.stream_id] = stream
        return stream

    async def _beside(self, stream: "RunningStream") -> None:
        streamed = await stream.run()
        for warning in streamed.warnings:
            self.journal.write(FlowEntry(kind=EntryKind.WARNING, at=self.clock.now(), text=warning))


class RunningStream:
    """One stream from the upgrade request to the last status callback."""

    def __init__(self, of: CallStreams, spec: StreamSpec) -> None:
        self.spec = spec
        self.stream_id = str(uuid7())
        self._of = of
        self._opened: OpenedStream | None = None
        self._stopping = False
        self._turn = asyncio.Lock()

    def stop(self) -> None:
        self._stopping = True
        if self._opened is not None:
            self._opened.stop()

    async def run(self) -> Streamed:
        started = self._of.clock.monotonic()
        try:
            ended = await self._stream()
        finally:
            del self._of.open[self.stream_id]
        failed = ended.end is StreamEnd.FAILED
        self._tell(StreamEvent.ERROR if failed else StreamEvent.STOPPED, ended.error)
        return Streamed(
            stream_id=self.stream_id,
            end=ended.end,
            error=ended.error,
            duration_s=math.ceil(self._of.clock.monotonic() - started),
            warnings=tuple(_warnings(ended)),
        )

    async def _stream(self) -> StreamEnded:
        """Where streams cost something, with a leg of its own in the books, from before it opens to after its end."""
        try:
            leg = await self._of.legs.begin(self._of.call, self._of.leg, self.spec.url, self.stop)
        except StreamRefused as refused:
            return self._failed(str(refused))
        if leg is None:
            return await self._carry(None)
        failed = True
        try:
            ended = await self._carry(leg)
            failed = ended.end is StreamEnd.FAILED
            return ended
        finally:
            await leg.close(failed=failed, by_us=self._stopping)

    async def _carry(self, leg: StreamLeg | None) -> StreamEnded:
        try:
            self._opened = stream = await self._of.client.open(await self._order())
        except DatabaseUnavailable:
            return self._failed("the database was away; nothing could be signed")
        except OSError as error:
            log.error("node.no_stream_process", error=repr(error))
            return self._failed("the stream process could not be started")
        if self._stopping:
            stream.stop()
        deafen = self._of.leg.hear_digits(stream.press)
        try:
            if await stream.opened:
                if leg is not None:
                    await leg.answered()
                await self._join(stream)
            return await stream.ended
        finally:
            deafen()

    def _failed(self, error: str) -> StreamEnded:
        return StreamEnded(stream_id=self.stream_id, end=StreamEnd.FAILED, error=error)

    async def _join(self, stream: OpenedStream) -> None:
        leg, track = self._of.leg, self.spec.track
        try:
            await leg.media.start_fork(
                leg.media_id,
                self.stream_id,
                self._of.client.path,
                heard=track is not StreamTrack.OUTBOUND,
                said=track is not StreamTrack.INBOUND,
            )
        except (MediaRefused, MediaLost) as error:  # the leg ended in this moment, or the stream process did
            log.debug("node.stream_not_joined", call_id=str(self._of.call.id), error=str(error))
            stream.stop()
        else:
            self._tell(StreamEvent.STARTED)

    async def _order(self) -> OpenStream:
        spec, call = self.spec, self._of.call
        return OpenStream(
            stream_id=self.stream_id,
            url=spec.url,
            live=call.mode == "live",
            headers=await self._headers(),
            protocol=spec.protocol,
            opening=Opening(
                stream_id=self.stream_id,
                call_id=str(call.id),
                session_id=call.session_id,
                workspace_id=str(call.workspace_id),
                from_=call.from_address,
                to=call.to_address,
                direction=call.direction,
                name=spec.name,
                track=spec.track.value,
                metadata=dict(spec.metadata),
            ),
            plays=spec.plays,
            sent_rate=spec.sent_rate,
            played_rate=spec.played_rate,
        )

    async def _headers(self) -> dict[str, str]:
        """The customer's own, and the signature of a GET (contract §6): over its raw query string."""
        secrets, url = await self._of.secrets(), sent_form(self.spec.url)
        headers = {**self.spec.headers, "X-Sautikit-Call-Id": str(self._of.call.id)}
        if secrets:
            now = int(self._of.clock.now().timestamp())
            headers[SIGNATURE_HEADER] = sign(urlsplit(url).query.encode(), secrets, now)
            if self.spec.protocol is StreamProtocol.TWILIO:
                headers[TWILIO_SIGNATURE_HEADER] = twilio_signature(url, [], secrets[-1])
        return headers

    def _tell(self, event: StreamEvent, error: str = "") -> None:
        """A status callback, sent behind the stream's back and after those before it."""
        if self.spec.status_callback is None or event not in self.spec.status_events:
            return
        at = rfc3339(self._of.clock.now())
        self._of.see_through(self._report(self.spec.status_callback, event, error, at))

    async def _report(self, url: str, event: StreamEvent, error: str, at: str) -> None:
        context = self._of.context()
        results = {
            "streamSid": self.stream_id,
            "streamName": self.spec.name,
            "streamEvent": event.value,
            "streamError": error,
            "timestamp": at,
        }
        started = event is StreamEvent.STARTED
        state = SessionState.ANSWERED if started else SessionState.STREAM_STOPPED
        asking = Asking(context=context, question=Question(url=url, results=results), state=state)
        async with self._turn:
            await self._of.callbacks.report(asking)


def _warnings(ended: StreamEnded) -> list[str]:
    found = []
    if ended.error:
        found.append(f"the stream failed: {ended.error}")
    if ended.dropped or ended.missed:
        lost = (ended.dropped + ended.missed) * 20
        found.append(f"the server read too slowly: {lost} ms of audio were not sent")
    if ended.overflowed:
        found.append(f"the server sent too far ahead: {ended.overflowed // 8} ms of audio were not played")
    if ended.passed_over:
        found.append(f"{ended.passed_over} messages of the server were passed over: {ended.first_fault}")
    return found
