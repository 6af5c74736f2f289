"""The customer's side: an HTTP server on loopback that answers voice callbacks and takes webhooks, verifying each."""

import asyncio
import json
import time
from collections.abc import Sequence
from types import TracebackType
from typing import Any

from aiohttp import web

from sautikitd.demo.screen import Screen
from sautikitd.demo.script import reply_to
from sautikitd.egress.signatures import SIGNATURE_HEADER, SignatureRefused, verify

_FINAL = ("call.completed", "call.failed")


class Receiver:
    """Serves on `port`, or on a free one where that is taken. `secrets` are the workspace's signing secrets."""

    def __init__(self, screen: Screen, port: int) -> None:
        self.secrets: Sequence[str] = ()
        self._screen = screen
        self._port = port
        self._runner: web.AppRunner | None = None
        self._ended: dict[str, asyncio.Event] = {}

    async def __aenter__(self) -> "Receiver":
        app = web.Application()
        app.router.add_post("/voice", self._voice)
        app.router.add_post("/webhook", self._webhook)
        self._runner = web.AppRunner(app, access_log=None)
        await self._runner.setup()
        try:
            await web.TCPSite(self._runner, "127.0.0.1", self._port).start()
        except OSError:
            await web.TCPSite(self._runner, "127.0.0.1", 0).start()
        self._port = self._runner.addresses[0][1]
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, exc: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._runner:
            await self._runner.cleanup()

    @property
    def voice_url(self) -> str:
        return f"http://127.0.0.1:{self._port}/voice"

    @property
    def webhook_url(self) -> str:
        return f"http://127.0.0.1:{self._port}/webhook"

    async def until_ended(self, call_id: str) -> None:
        """Returns when the last webhook of a call has come."""
        await self._end_of(call_id).wait()

    def _end_of(self, call_id: str) -> asyncio.Event:
        return self._ended.setdefault(call_id, asyncio.Event())

    async def _voice(self, request: web.Request) -> web.Response:
        body = await request.read()
        vouched = self._vouched(request, body)
        callback = {name: str(value) for name, value in (await request.post()).items()}
        state, digits = callback.get("callSessionState", "?"), callback.get("Digits", "")
        self._screen.step(
            "callback", f"{state:<15} {vouched}   {f'Digits={digits}' if digits else ''}".rstrip()
        )
        if callback.get("isActive") == "0":
            return web.json_response({"actions": []})
        return web.json_response(reply_to(callback))

    async def _webhook(self, request: web.Request) -> web.Response:
        body = await request.read()
        vouched = self._vouched(request, body)
        event = json.loads(body)
        data = event["data"]
        self._screen.step("webhook", f"{event['kind']:<15} {vouched}   {_short(data)}")
        if event["kind"] in _FINAL:
            self._end_of(data["call_id"]).set()
        return web.Response(status=204)

    def _vouched(self, request: web.Request, body: bytes) -> str:
        try:
            verify(body, request.headers.get(SIGNATURE_HEADER, ""), self.secrets, now=int(time.time()))
        except SignatureRefused as exc:
            return f"✗ signature: {exc}"
        return "✓ signature verified"


def _short(data: dict[str, Any]) -> str:
    parts = [f"status {data['status']}"] if "status" in data else []
    if data.get("sequence") is not None:
        parts.append(f"no. {data['sequence']}")
    return ", ".join(parts)
