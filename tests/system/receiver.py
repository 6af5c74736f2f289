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
    method: str = "POST"


class Receiver:
    """`flow` decides what a voice callback at /voice is answered with, `replies` those at other paths, one after the
    other; webhooks go to /hook and get 200. The form of a GET is its query."""

    def __init__(self) -> None:
        self.requests: list[Request] = []
        self.files: dict[str, bytes] = {}
        self.replies: dict[str, list[list[dict[str, Any]]]] = {}
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

    async def asked(self, path: str) -> Request:
        """The first request to a path, as soon as it has come."""
        await self.until(lambda: any(one.path == path for one in self.requests))
        return next(one for one in self.requests if one.path == path)

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
        form = form if request.method == "POST" else dict(request.query)
        taken = Request(request.path, dict(request.headers), body, form, request.method)
        async with self._arrived:
            self.requests.append(taken)
            self._arrived.notify_all()
        if request.path in self.files:
            return web.Response(body=self.files[request.path])
        if waiting := self.replies.get(request.path):
            return web.json_response({"actions": waiting.pop(0)})
        if request.path != "/voice":
            return web.Response()
        return web.json_response({"actions": self.flow(form)})
