"""How tests and people steer the simulated M-PESA over HTTP, on loopback and without keys."""

import msgspec
from aiohttp import web

from sautikitd.simulators.daraja.api import DarajaApi
from sautikitd.simulators.daraja.behaviours import Behaviour
from sautikitd.simulators.daraja.mpesa import SimulatedMpesa


class Script(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """From now on `phone` (2547XXXXXXXX) behaves so, for pushes and at the Paybill."""

    phone: str
    behaviour: Behaviour


class PaybillPayment(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    phone: str
    shillings: int
    reference: str


class Control:
    """
    GET  /control/payments        every payment that moved money: the truth to hold books against
    POST /control/scripts         a `Script`; 204
    DELETE /control/scripts       all phones behave by the tables again; 204
    POST /control/paybill         a person pays the Paybill: 201 with the payment, 409 with the code it was refused with
    POST /control/token/expire    the access token is dead, as if somebody had fetched a new one; 204
    GET  /healthz                 200 as long as it runs
    Bodies are JSON, sent as application/json (so that no web page of another origin can pay); 422 for nonsense.
    """

    def __init__(self, mpesa: SimulatedMpesa, api: DarajaApi) -> None:
        self._mpesa = mpesa
        self._api = api

    def routes(self) -> list[web.RouteDef]:
        return [
            web.get("/control/payments", self._payments),
            web.post("/control/scripts", self._script),
            web.delete("/control/scripts", self._unscript),
            web.post("/control/paybill", self._paybill),
            web.post("/control/token/expire", self._expire_token),
            web.get("/healthz", self._health),
        ]

    async def _payments(self, request: web.Request) -> web.Response:
        return _json({"payments": self._mpesa.paid})

    async def _script(self, request: web.Request) -> web.Response:
        if request.content_type != "application/json":
            return _json({"error": "send application/json"}, 415)
        try:
            script = msgspec.json.decode(await request.read(), type=Script)
        except (msgspec.DecodeError, msgspec.ValidationError) as exc:
            return _json({"error": str(exc)}, 422)
        self._mpesa.scripts[script.phone] = script.behaviour
        return web.Response(status=204)

    async def _unscript(self, request: web.Request) -> web.Response:
        self._mpesa.scripts.clear()
        return web.Response(status=204)

    async def _paybill(self, request: web.Request) -> web.Response:
        if request.content_type != "application/json":
            return _json({"error": "send application/json"}, 415)
        try:
            wish = msgspec.json.decode(await request.read(), type=PaybillPayment)
        except (msgspec.DecodeError, msgspec.ValidationError) as exc:
            return _json({"error": str(exc)}, 422)
        paid, refused = await self._mpesa.pay_paybill(wish.phone, wish.shillings, wish.reference)
        return _json({"payment": paid}, 201) if paid else _json({"refused": refused}, 409)

    async def _expire_token(self, request: web.Request) -> web.Response:
        self._api.expire_token()
        return web.Response(status=204)

    async def _health(self, request: web.Request) -> web.Response:
        return _json({"status": "ok", "prompts": len(self._mpesa.prompts)})


def _json(content: object, status: int = 200) -> web.Response:
    return web.Response(body=msgspec.json.encode(content), status=status, content_type="application/json")
