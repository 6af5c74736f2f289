"""A receiver of webhooks on a real socket, with faults by path."""

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field

from aiohttp import web

Behaviour = Callable[[web.Request], Awaitable[web.StreamResponse]]


@dataclass(frozen=True)
class Received:
    path: str
    headers: dict[str, str]
    body: bytes

    @property
    def event_id(self) -> str:
        return self.headers["x-sautikit-event-id"]


@dataclass
class Sink:
    """`received` holds every request in the order of arrival, refused ones too. `behave` sets what a path does."""

    received: list[Received] = field(default_factory=list)
    behaviours: dict[str, Behaviour] = field(default_factory=dict)
    port: int = 0
    _changed: asyncio.Condition = field(default_factory=asyncio.Condition)
    _runner: web.AppRunner | None = None

    async def start(self) -> None:
        app = web.Application()
        app.router.add_route("*", "/{tail:.*}", self._handle)
        self._runner = web.AppRunner(app, handler_cancellation=True, shutdown_timeout=0.1, access_log=None)
        await self._runner.setup()
        site = web.TCPSite(self._runner, "127.0.0.1", 0)
        await site.start()
        self.port = self._runner.addresses[0][1]

    async def stop(self) -> None:
        assert self._runner is not None
        await self._runner.cleanup()

    def url(self, path: str) -> str:
        return f"http://127.0.0.1:{self.port}{path}"

    def behave(self, path: str, behaviour: Behaviour) -> str:
        self.behaviours[path] = behaviour
        return self.url(path)

    def at(self, path: str) -> list[Received]:
        return [r for r in self.received if r.path == path]

    async def wait_for(self, count: int, path: str | None = None, *, within_s: float = 10) -> list[Received]:
        """Returns once `count` requests have arrived (at `path`)."""

        def seen() -> list[Received]:
            return self.received if path is None else self.at(path)

        async with asyncio.timeout(within_s), self._changed:
            await self._changed.wait_for(lambda: len(seen()) >= count)
        return seen()

    async def _handle(self, request: web.Request) -> web.StreamResponse:
        body = await request.read()
        headers = {name.lower(): value for name, value in request.headers.items()}
        self.received.append(Received(request.path, headers, body))
        async with self._changed:
            self._changed.notify_all()
        behaviour = self.behaviours.get(request.path)
        return await behaviour(request) if behaviour else web.Response(text="ok")


def answering(status: int, headers: dict[str, str] | None = None, text: str = "") -> Behaviour:
    async def behaviour(_: web.Request) -> web.StreamResponse:
        return web.Response(status=status, headers=headers, text=text)

    return behaviour


def in_turn(*behaviours: Behaviour) -> Behaviour:
    """The first request meets the first behaviour, and so on; the last one stays."""
    left = list(behaviours)

    async def behaviour(request: web.Request) -> web.StreamResponse:
        return await (left.pop(0) if len(left) > 1 else left[0])(request)

    return behaviour


async def resetting(request: web.Request) -> web.StreamResponse:
    assert request.transport is not None
    request.transport.abort()
    return web.Response()


async def endless(request: web.Request) -> web.StreamResponse:
    response = web.StreamResponse()
    await response.prepare(request)
    while True:
        await response.write(b"x" * 4096)


@dataclass
class Gate:
    """Holds requests back until opened."""

    opened: asyncio.Event = field(default_factory=asyncio.Event)
    status: int = 200
    held: int = 0

    async def __call__(self, _: web.Request) -> web.StreamResponse:
        self.held += 1
        await self.opened.wait()
        return web.Response(status=self.status)
