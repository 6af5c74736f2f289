"""What the tests of flows put around the interpreter: a leg that only writes down what is asked of it, a
callback server that is real, and journals that keep everything."""

from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from uuid import UUID, uuid4

import msgspec
from aiohttp import web

from sautikitd.clock import Clock
from sautikitd.egress.client import EgressClient
from sautikitd.egress.guard import EgressGuard
from sautikitd.flow.callbacks.client import CallbackClient
from sautikitd.flow.callbacks.formats import vocabulary_of
from sautikitd.flow.callbacks.log import CallbackEntry
from sautikitd.flow.context import Direction, FlowContext
from sautikitd.flow.document import Flow
from sautikitd.flow.interpreter import FlowRunner
from sautikitd.flow.journal import EntryKind, FlowEntry
from sautikitd.flow.port import (
    Audio,
    Collected,
    CollectEnd,
    Digits,
    LegGone,
    Prompt,
    PromptUnavailable,
    Recorded,
    RecordEnd,
    RecordSpec,
    Say,
    Tone,
)
from sautikitd.flow.reader import read_flow

SECRET = "whsec_MDEyMzQ1Njc4OTAxMjM0NTY3ODkwMTIzNDU2Nzg5MDE="


class ScriptedLeg:
    """Does nothing but tell `done` what was asked. Presses `digits` one entry a `collect`, then none.

    The far end hangs up at the `patience`-th thing asked. Sounds in `broken` cannot be had.
    """

    def __init__(
        self,
        *,
        answered: bool = True,
        digits: Sequence[str] = (),
        patience: int = 1000,
        broken: Sequence[str] = (),
    ) -> None:
        self.call_id = uuid4()
        self.done: list[str] = []
        self.collected: list[dict[str, object]] = []
        self.recorded: list[RecordSpec] = []
        self._answered = answered
        self._digits = list(digits)
        self._patience = patience
        self._gone = False
        self._broken = broken

    @property
    def answered(self) -> bool:
        return self._answered

    async def answer(self) -> None:
        self._do("answer")
        self._answered = True

    async def ring(self) -> None:
        self._do("ring")

    async def wait(self, seconds: float) -> None:
        if self._gone:
            raise LegGone("far_end")
        if seconds:
            self._do(f"wait {seconds:g}")

    async def reject(self, *, busy: bool) -> None:
        self._do("reject busy" if busy else "reject")
        raise LegGone("rejected")

    async def hang_up(self) -> None:
        self._do("hang_up")
        raise LegGone("normal")

    async def play(self, prompts: Sequence[Prompt], *, loop: int = 1) -> None:
        self._hear(prompts)
        self._do(", ".join(map(sound, prompts)) + (f" x{loop}" if loop != 1 else ""))

    async def collect(
        self, *, max_digits: int, finish_on_key: str, timeout_s: float, prompts: Sequence[Prompt] = ()
    ) -> Collected:
        self._hear(prompts)
        self._do("collect" + "".join(f" [{sound(prompt)}]" for prompt in prompts))
        self.collected.append({"max": max_digits, "finish": finish_on_key, "timeout": timeout_s})
        digits = self._digits.pop(0) if self._digits else ""
        return Collected(digits=digits, end=CollectEnd.DIGITS if digits else CollectEnd.TIMEOUT)

    async def record(self, spec: RecordSpec) -> Recorded:
        self._do("record")
        self.recorded.append(spec)
        return Recorded(recording_id=UUID(int=7), duration_ms=2300, end=RecordEnd.KEY, digit="#")

    def go(self) -> None:
        """The far end hangs up."""
        self._gone = True

    def _hear(self, prompts: Sequence[Prompt]) -> None:
        for prompt in prompts:
            if isinstance(prompt, Audio) and prompt.url in self._broken:
                raise PromptUnavailable(f"{prompt.url}: status 404")

    def _do(self, what: str) -> None:
        if self._gone:
            raise LegGone("far_end")
        self.done.append(what)
        if len(self.done) >= self._patience:
            raise LegGone("far_end")


def sound(prompt: Prompt) -> str:
    match prompt:
        case Say():
            return f"say {prompt.text}"
        case Audio():
            return f"audio {prompt.url}"
        case Digits():
            return f"digits {prompt.digits}"
        case Tone():
            return "tone"
    return "silence"


class Story:
    """A journal and a callback log that keep what they are given."""

    def __init__(self) -> None:
        self.entries: list[FlowEntry] = []
        self.callbacks: list[CallbackEntry] = []

    def write(self, entry: FlowEntry) -> None:
        self.entries.append(entry)

    def record(self, entry: CallbackEntry) -> None:
        self.callbacks.append(entry)

    def kinds(self) -> list[str]:
        return [entry.kind.value for entry in self.entries]

    def of(self, kind: EntryKind) -> list[FlowEntry]:
        return [entry for entry in self.entries if entry.kind is kind]


class Asked(msgspec.Struct):
    """A request as the callback server received it."""

    path: str
    method: str
    form: Mapping[str, str]
    headers: Mapping[str, str]
    raw_body: bytes
    raw_query: str


Answer = (
    web.StreamResponse | dict[str, object] | list[object] | Callable[[Asked], Awaitable[web.StreamResponse]]
)


class CallbackServer:
    """Answers each path with the next of its answers, the last one for ever; other paths are 404.

    A dict is sent as a flow's JSON, a list as its actions.
    """

    def __init__(self, port: int, answers: dict[str, list[Answer]], asked: list[Asked]) -> None:
        self.base = f"http://127.0.0.1:{port}"
        self.answers = answers
        self.asked = asked

    def url(self, path: str) -> str:
        return self.base + path


@asynccontextmanager
async def callback_server(**answers: list[Answer]) -> AsyncIterator[CallbackServer]:
    by_path = {f"/{name.replace('__', '/')}": given for name, given in answers.items()}
    asked: list[Asked] = []

    async def handle(request: web.Request) -> web.StreamResponse:
        body = await request.read()
        form = {**request.query, **{name: str(value) for name, value in (await request.post()).items()}}
        now = Asked(
            request.path, request.method, form, request.headers.copy(), body, request.rel_url.raw_query_string
        )
        asked.append(now)
        given = by_path.get(request.path)
        if given is None:
            return web.Response(status=404, text="no such page")
        answer = given.pop(0) if len(given) > 1 else given[0]
        if isinstance(answer, web.StreamResponse):
            return answer
        if isinstance(answer, dict | list):
            return web.json_response({"actions": answer} if isinstance(answer, list) else answer)
        return await answer(now)

    app = web.Application()
    app.router.add_route("*", "/{tail:.*}", handle)
    runner = web.AppRunner(app, shutdown_timeout=0.1)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    try:
        yield CallbackServer(runner.addresses[0][1], by_path, asked)
    finally:
        await runner.cleanup()


def a_context(**changes: object) -> FlowContext:
    context = FlowContext(
        call_id=UUID(int=1),
        session_id="HD_0a8d5911d055",
        direction=Direction.OUTBOUND,
        from_number="+254207650100",
        to_number="+254711000001",
        live=True,
        recording_url="https://api.test/v1/recordings/{recording_id}",
    )
    return msgspec.structs.replace(context, **changes)


def a_flow(*actions: object) -> Flow:
    flow = read_flow({"actions": list(actions)})
    assert isinstance(flow, Flow), flow
    return flow


class NoNames:
    """Resolves nothing, so that tests talk to loopback addresses only."""

    async def lookup(self, host: str) -> Sequence[str]:
        raise OSError(f"{host} is not known here")


async def valid_secrets() -> Sequence[str]:
    return [SECRET]


@asynccontextmanager
async def a_client(
    story: Story,
    clock: Clock,
    secrets: Callable[[], Awaitable[Sequence[str]]] = valid_secrets,
    total_s: float = 10.0,
) -> AsyncIterator[CallbackClient]:
    context = a_context()
    async with EgressClient(EgressGuard(allow_private=True, lookup=NoNames())) as egress:
        yield CallbackClient(
            egress,
            vocabulary=vocabulary_of(context.callback_format),
            secrets=secrets,
            log=story,
            live=context.live,
            clock=clock,
            total_s=total_s,
        )


async def run_flow(leg: ScriptedLeg, context: FlowContext, clock: Clock) -> tuple[str, Story]:
    """Runs the call's flow to its end; its hangup cause and its story."""
    story = Story()
    async with a_client(story, clock) as client:
        return await FlowRunner(leg, context, client, story, clock=clock).run(), story
