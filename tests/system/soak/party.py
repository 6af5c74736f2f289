"""Who the calls of a soak belong to, and the server that their callbacks and webhooks go to."""

import asyncio
from collections import Counter, defaultdict
from collections.abc import Callable
from typing import Any
from urllib.parse import parse_qsl

import msgspec
from aiohttp import web

from system.installation import Customer, Installation

FINAL = frozenset({"call.completed", "call.failed"})
Flow = list[dict[str, Any]]


class Ears:
    """A customer's web server that forgets: of each call it keeps which events came, no bodies."""

    def __init__(self) -> None:
        self.url = ""
        self.flows: dict[str, Callable[[dict[str, str]], Flow]] = {}
        self.finals: Counter[str] = Counter()
        self._seen: defaultdict[str, set[str]] = defaultdict(set)
        self._awaited: dict[tuple[str, str], asyncio.Event] = {}
        self._runner: web.AppRunner | None = None

    async def start(self) -> None:
        app = web.Application()
        app.router.add_post("/hook", self._hook)
        app.router.add_post("/voice/{flow}", self._voice)
        self._runner = web.AppRunner(app, access_log=None)
        await self._runner.setup()
        await web.TCPSite(self._runner, "127.0.0.1", 0).start()
        self.url = f"http://127.0.0.1:{self._runner.addresses[0][1]}"

    async def stop(self) -> None:
        if self._runner is not None:
            await self._runner.cleanup()

    async def event(self, call_id: str, kind: str, within_s: float = 60) -> None:
        """Returns once an event of the call has come: one kind, or `final`."""
        if kind in self._seen[call_id]:
            return
        arrived = self._awaited.setdefault((call_id, kind), asyncio.Event())
        try:
            async with asyncio.timeout(within_s):
                await arrived.wait()
        except TimeoutError:
            seen = sorted(self._seen[call_id])
            raise TimeoutError(f"no {kind} of call {call_id} in {within_s:.0f} s, only {seen}") from None

    async def _hook(self, request: web.Request) -> web.Response:
        kind = request.headers["X-Sautikit-Event-Kind"]
        if kind.startswith("call."):
            envelope = msgspec.json.decode(await request.read())
            call_id = envelope["data"].get("call_id") or envelope["data"]["call"]["call_id"]
            self._note(call_id, kind)
            if kind in FINAL:
                self.finals[call_id] += 1
                self._note(call_id, "final")
        return web.Response()

    def _note(self, call_id: str, kind: str) -> None:
        self._seen[call_id].add(kind)
        if arrived := self._awaited.pop((call_id, kind), None):
            arrived.set()

    async def _voice(self, request: web.Request) -> web.Response:
        form = dict(parse_qsl((await request.read()).decode(), keep_blank_values=True))
        return web.json_response({"actions": self.flows[request.match_info["flow"]](form)})


class Party:
    """A customer of one mode and the number he calls from; `placed` counts his calls by what kind they were."""

    def __init__(self, installation: Installation, customer: Customer, ears: Ears, number: str) -> None:
        self.installation = installation
        self.customer = customer
        self.ears = ears
        self.number = number

    async def place(self, to: str | list[str], **wishes: Any) -> str:
        body = {"from": self.number, "to": to, "webhook_url": f"{self.ears.url}/hook", **wishes}
        placed = await self.installation.api("POST", "/v1/calls", self.customer.key, body, expect=201)
        call_id: str = placed["call_id"]
        return call_id

    async def ring(self, script: Flow) -> str:
        """A simulated caller rings the number."""
        body = {"to": self.number, "script": script}
        rung = await self.installation.api("POST", "/v1/test/calls", self.customer.key, body, expect=201)
        call_id: str = rung["call_id"]
        return call_id

    async def hang_up(self, call_id: str) -> None:
        await self.installation.api("POST", f"/v1/calls/{call_id}/hangup", self.customer.key)

    async def ended(self, *call_ids: str, within_s: float = 90) -> None:
        for call_id in call_ids:
            await self.ears.event(call_id, "final", within_s)
