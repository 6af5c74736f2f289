"""A customer's web server: answers voice callbacks, takes webhooks, keeps everything."""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import parse_qsl

from aiohttp import web


@dataclass(frozen=True)
class Request:
    path: str
    headers: dict[str, str]
    body: bytes
    form: dict[str, str] = field(default_factory=dict)


class Receiver:
    """`flow` decides what a voice callback at /voice is answered with; webhooks go to /hook and get 200."""

    def __init__(self) -> None:
        self.requests: list[Request] = []
        self.files: dict[str, bytes] = {}
        self.flow: Callable[[dict[str, str]], list[dict[str, Any]]] = lambda _: []
        self.url = ""
        self._arrived = asyncio.Condition()
        self._runner: web.AppRunner | None = None

    async def start(self) -> None:
        app = web.Application()
        app.router.add_route("*", "/{path:.*}", self._take)
        self._runner = web.AppRunner(app)
        await self._runner.setup()
        site = web.TCPSite(self._runner, "127.0.0.1", 0)
        await site.start()
        self.url = f"http://127.0.0.1:{self._runner.addresses[0][1]}"

    async def stop(self) -> None:
        assert self._runner is not None
        await self._runner.cleanup()

    def callbacks(self) -> list[dict[str, str]]:
        return [request.form for request in self.requests if request.path == "/voice"]

    def events(self, call_id: str | None = None) -> list[str]:
        """The kinds of the webhooks, in the order they came, of one call or of all."""
        return [
            request.headers["X-Sautikit-Event-Kind"]
            for request in self.requests
            if request.path == "/hook" and (call_id is None or call_id.encode() in request.body)
        ]

    async def until(self, condition: Callable[[], bool], within_s: float = 20) -> None:
        async with asyncio.timeout(within_s), self._arrived:
            await self._arrived.wait_for(condition)

    async def _take(self, request: web.Request) -> web.Response:
        body = await request.read()
        form = dict(parse_qsl(body.decode(errors="replace"), keep_blank_values=True))
        taken = Request(request.path, dict(request.headers), body, form)
        async with self._arrived:
            self.requests.append(taken)
            self._arrived.notify_all()
        if request.path in self.files:
            return web.Response(body=self.files[request.path])
        if request.path != "/voice":
            return web.Response()
        return web.json_response({"actions": self.flow(form)})
