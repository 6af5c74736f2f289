import re
from collections.abc import Iterator, Mapping
from typing import Annotated, Any, ClassVar
from urllib.parse import urlsplit

import msgspec

from sautikitd.egress.urls import check_url
from sautikitd.flow.callbacks.question import Method, Question, SessionState
from sautikitd.flow.streams import Streamed, StreamEnd, StreamEvent, StreamProtocol, StreamSpec, StreamTrack
from sautikitd.flow.verbs.verb import ADDRESS, Flaw, Reference, Run, Verb, reference_flaws, shortened

Rate = Annotated[int, msgspec.Meta(ge=8000, le=16000, multiple_of=8000)]
"""8,000 or 16,000 Hz."""

MOST_HEADERS = 20
LONGEST_HEADER = 1024
LARGEST_METADATA = 16 * 1024

_HEADER_NAME = re.compile(r"[A-Za-z0-9!#$%&'*+.^_`|~-]{1,64}")
_HEADER_VALUE = re.compile(r"[\x20-\x7e]*")
_NOT_YOURS = frozenset(
    {"host", "connection", "upgrade", "content-length", "transfer-encoding", "te", "trailer", "origin"}
    | {"proxy-authorization", "x-twilio-signature"}
)
_NOT_YOURS_PREFIXES = ("sec-", "x-sautikit-")


class StreamVerb(Verb, frozen=True, kw_only=True, tag="stream"):
    """Sends the call's audio to a WebSocket at `url` and plays what comes from it.

    With `connect` (the default) the flow waits until the socket closes, and then goes on; without, the stream runs
    beside the flow until `stopStream` or the end of the call. `protocol: twilio` beside the flow only listens, and
    is always at 8,000 Hz. `headerMetadata` are headers of the upgrade request, `openMetadata` goes into the first
    message. With `action` its reply replaces the flow once a connected stream is over.
    """

    answers: ClassVar[bool] = True
    takes_time: ClassVar[bool] = True

    url: Annotated[str, msgspec.Meta(min_length=1, max_length=8192, extra={ADDRESS: "websocket"})]
    protocol: StreamProtocol = StreamProtocol.DRACHTIO
    track: StreamTrack = StreamTrack.INBOUND
    connect: bool = True
    output_sampling_rate: Rate = 8000
    bidirectional_sampling_rate: Rate | None = None
    name: Annotated[str, msgspec.Meta(max_length=128)] = ""
    header_metadata: dict[str, str] | str = msgspec.field(default_factory=dict)
    open_metadata: dict[str, Any] | str = msgspec.field(default_factory=dict)
    status_callback: Reference | None = None
    status_events: tuple[StreamEvent, ...] | str = tuple(StreamEvent)
    action: Reference | None = None
    method: Method = Method.POST

    @classmethod
    def passed_over(cls, fields: Mapping[str, object]) -> Iterator[Flaw]:
        if fields.get("protocol") == StreamProtocol.TWILIO.value:
            for name in ("outputSamplingRate", "bidirectionalSamplingRate"):
                if str(fields.get(name, 8000)) != "8000":
                    yield Flaw(name, "with protocol twilio audio is at 8000 Hz")

    def flaws(self) -> Iterator[Flaw]:
        problem = check_url(self.url, live=False, allow_private=True, websocket=True)
        if problem is not None:
            yield Flaw("url", problem.reason)
        yield from reference_flaws("statusCallback", self.status_callback)
        yield from reference_flaws("action", self.action)
        if _events(self.status_events) is None:
            known = ", ".join(StreamEvent)
            yield Flaw("statusEvents", f"must be some of {known}, as a list or with spaces between them")
        yield from _header_flaws(_object(self.header_metadata))
        metadata = _object(self.open_metadata)
        if metadata is None:
            yield Flaw("openMetadata", "must be an object, or the JSON text of one")
        elif len(msgspec.json.encode(metadata)) > LARGEST_METADATA:
            yield Flaw("openMetadata", f"must be at most {LARGEST_METADATA} bytes of JSON")

    async def execute(self, run: Run) -> None:
        spec = self._spec(run)
        if not self.connect:
            refusal = await run.streams.begin(spec)
            if refusal is not None:
                run.warn(refusal)
            return
        streamed = await run.streams.connect(spec)
        for warning in streamed.warnings:
            run.warn(warning)
        run.tell(stream=streamed.stream_id, end=streamed.end.value, seconds=str(streamed.duration_s))
        if self.action is not None:
            await run.ask(self._question(self.action, streamed))

    def _spec(self, run: Run) -> StreamSpec:
        callback = run.absolute(self.status_callback) if self.status_callback is not None else None
        if self.status_callback is not None and callback is None:
            run.warn("a relative URL, and no URL that it could be relative to", field="statusCallback")
        twilio = self.protocol is StreamProtocol.TWILIO
        return StreamSpec(
            url=self.url,
            protocol=self.protocol,
            track=self.track,
            plays=self.connect or not twilio,
            sent_rate=self.output_sampling_rate,
            played_rate=self.bidirectional_sampling_rate or self.output_sampling_rate,
            name=self.name,
            headers=_object(self.header_metadata) or {},
            metadata=_object(self.open_metadata) or {},
            status_callback=callback,
            status_events=_events(self.status_events) or frozenset(),
        )

    def _question(self, action: str, streamed: Streamed) -> Question:
        failed = streamed.end is StreamEnd.FAILED
        results = {
            "streamSid": streamed.stream_id,
            "streamName": self.name,
            "streamEvent": StreamEvent.ERROR.value if failed else StreamEvent.STOPPED.value,
            "streamError": streamed.error,
            "streamDuration": str(streamed.duration_s),
        }
        return Question(url=action, method=self.method, state=SessionState.STREAM_STOPPED, results=results)

    def told(self) -> str:
        parts = urlsplit(self.url)
        return shortened(f"stream to {parts.scheme}://{parts.hostname or ''}{parts.path}")


def _events(given: tuple[StreamEvent, ...] | str) -> frozenset[StreamEvent] | None:
    try:
        return frozenset(StreamEvent(word) for word in (given.split() if isinstance(given, str) else given))
    except ValueError:
        return None


def _object(given: Mapping[str, Any] | str) -> dict[str, Any] | None:
    """The object itself, or the one that a text holds as JSON, which is how an XML attribute says it."""
    if not isinstance(given, str):
        return dict(given)
    try:
        read = msgspec.json.decode(given)
    except msgspec.DecodeError:
        return None
    return read if isinstance(read, dict) else None


def _header_flaws(headers: Mapping[str, Any] | None) -> Iterator[Flaw]:
    field = "headerMetadata"
    if headers is None:
        yield Flaw(field, "must be an object of texts, or the JSON text of one")
        return
    if len(headers) > MOST_HEADERS:
        yield Flaw(field, f"must be at most {MOST_HEADERS} headers")
    for name, value in headers.items():
        lower = name.lower()
        if not _HEADER_NAME.fullmatch(name):
            yield Flaw(field, f"{name[:64]!r} is not the name of a header")
        elif lower in _NOT_YOURS or lower.startswith(_NOT_YOURS_PREFIXES):
            yield Flaw(field, f"{name} is set by the platform")
        elif not isinstance(value, str) or len(value) > LONGEST_HEADER or not _HEADER_VALUE.fullmatch(value):
            yield Flaw(field, f"{name} must be a text of at most {LONGEST_HEADER} printable ASCII characters")
