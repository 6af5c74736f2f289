"""The carrier's HTTP control, on loopback and without keys: `POST`, `GET` and `DELETE /calls`, `GET /healthz`."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from uuid import UUID

import msgspec
from aiohttp import web

from sautikitd.simulators.carrier.carrier import CallExists, Carrier
from sautikitd.simulators.carrier.orders import OrderInvalid, read_order

_LARGEST_BODY = 64 * 1024
_SHUTDOWN_S = 0.5


class Control:
    """
    POST /calls             places a call (`CallOrder`): 202 with its journal entry, before the INVITE has left.
                            422 for nonsense, 409 while a call of that id goes on, 415 unless it is application/json
                            (so that no web page of another origin can place calls).
    GET /calls              `{"current": [...], "ended": [...]}`, journal entries.
    GET /calls/{call_id}    one entry, current or ended.
    DELETE /calls/{call_id} hangs up: 204, or 404 when no such call goes on.
    GET /healthz            200 as long as it runs: `calls`, `legs` and `dialogs` are what goes on.
    """

    def __init__(self, carrier: Carrier) -> None:
        self._carrier = carrier
        self.application = web.Application(client_max_size=_LARGEST_BODY)
        self.application.add_routes(
            [
                web.post("/calls", self._place),
                web.get("/calls", self._list),
                web.get("/calls/{call_id}", self._show),
                web.delete("/calls/{call_id}", self._hang_up),
                web.get("/healthz", self._health),
            ]
        )

    async def _place(self, request: web.Request) -> web.Response:
        if request.content_type != "application/json":
            return _problem(415, "send application/json")
        try:
            order, steps = read_order(await request.read())
            entry = self._carrier.place(order, steps)
        except OrderInvalid as error:
            return _problem(422, str(error))
        except CallExists as error:
            return _problem(409, str(error))
        return _json(entry, 202)

    async def _list(self, request: web.Request) -> web.Response:
        journal = self._carrier.journal
        return _json({"current": journal.current, "ended": journal.ended})

    async def _show(self, request: web.Request) -> web.Response:
        call_id = _call_id(request)
        entry = self._carrier.journal.find(call_id) if call_id else None
        return _json(entry) if entry else _problem(404, "no such call")

    async def _hang_up(self, request: web.Request) -> web.Response:
        call_id = _call_id(request)
        if call_id is None or not self._carrier.hang_up(call_id):
            return _problem(404, "no such call goes on")
        return web.Response(status=204)

    async def _health(self, request: web.Request) -> web.Response:
        carrier = self._carrier
        counts = {
            "calls": len(carrier.journal.current),
            "legs": carrier.legs,
            "dialogs": carrier.dialogs,
        }
        return _json({"status": "ok", **counts})


@asynccontextmanager
async def serving(carrier: Carrier, address: tuple[str, int]) -> AsyncIterator[tuple[str, int]]:
    """Serves the control of `carrier` meanwhile; gives the address bound. Raises `OSError` when it is taken."""
    runner = web.AppRunner(Control(carrier).application, access_log=None, shutdown_timeout=_SHUTDOWN_S)
    await runner.setup()
    try:
        await web.TCPSite(runner, *address).start()
        host, port = runner.addresses[0][:2]
        yield host, port
    finally:
        await runner.cleanup()


def _call_id(request: web.Request) -> UUID | None:
    try:
        return UUID(request.match_info["call_id"])
    except ValueError:
        return None


def _json(content: object, status: int = 200) -> web.Response:
    body = msgspec.json.encode(content, enc_hook=str)  # of a path
    return web.Response(body=body, status=status, content_type="application/json")


def _problem(status: int, message: str) -> web.Response:
    return _json({"error": message}, status)
