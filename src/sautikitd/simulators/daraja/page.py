"""The page that shows the simulated phones: one with its PIN prompt, the Paybill menu, and what happened lately."""

import hashlib
from datetime import datetime
from pathlib import Path
from urllib.parse import urlsplit

from aiohttp import web
from jinja2 import Environment, FileSystemLoader, StrictUndefined, select_autoescape

from sautikitd.clock import NAIROBI
from sautikitd.simulators.daraja.behaviours import BY_AMOUNT, BY_PHONE, RESULT_WORDS
from sautikitd.simulators.daraja.mpesa import PIN, SimulatedMpesa
from sautikitd.simulators.daraja.pushes import Prompt

_FOLDER = Path(__file__).parent
_LATEST = 12
_DEFAULT_PHONE = "254712340000"
_HEADERS = {
    "Content-Security-Policy": "default-src 'none'; style-src 'self'; script-src 'self'; connect-src 'self'; "
    "form-action 'self'; frame-ancestors 'none'",
    "Cache-Control": "no-store",
}


class PhonePage:
    """`/` is the phone prompted last; `/phones/{phone}` is any. A little JavaScript shows what is new; all else works without."""

    def __init__(self, mpesa: SimulatedMpesa) -> None:
        self._mpesa = mpesa
        environment = Environment(
            loader=FileSystemLoader(_FOLDER), autoescape=select_autoescape(), undefined=StrictUndefined
        )
        environment.filters["time"] = _time
        environment.filters["spaced"] = _spaced
        self._template = environment.get_template("phone.html")

    def routes(self) -> list[web.RouteDef]:
        phone = r"{phone:254\d{9}}"
        return [
            web.get("/", self._latest),
            web.get("/phone.css", self._style),
            web.get("/phone.js", self._script),
            web.get("/version", self._tell_version),
            web.get(f"/phones/{phone}", self._show),
            web.post(f"/phones/{phone}/pin", self._pin),
            web.post(f"/phones/{phone}/cancel", self._cancel),
            web.post(f"/phones/{phone}/paybill", self._paybill),
        ]

    async def _latest(self, request: web.Request) -> web.Response:
        newest = next(reversed(self._mpesa.prompts.values()), None)
        return self._page(newest.phone if newest else _DEFAULT_PHONE)

    async def _show(self, request: web.Request) -> web.Response:
        return self._page(request.match_info["phone"], said=request.query.get("said", ""))

    async def _style(self, request: web.Request) -> web.Response:
        return web.Response(text=(_FOLDER / "phone.css").read_text(), content_type="text/css")

    async def _script(self, request: web.Request) -> web.Response:
        return web.Response(text=(_FOLDER / "phone.js").read_text(), content_type="text/javascript")

    async def _tell_version(self, request: web.Request) -> web.Response:
        return web.Response(text=self._version(), headers={"Cache-Control": "no-store"})

    def _version(self) -> str:
        """Differs whenever the page would: a prompt came, was answered or has gone, or money moved."""
        prompts = list(self._mpesa.prompts.values())[-_LATEST:]
        states = [
            f"{p.checkout_request_id}{p.result}{self._mpesa.open_prompt(p.phone) is p}" for p in prompts
        ]
        return hashlib.sha256(f"{states}{len(self._mpesa.paid)}".encode()).hexdigest()[:16]

    async def _pin(self, request: web.Request) -> web.Response:
        phone, form = _of_this_page(request), await request.post()
        await self._mpesa.enter_pin(phone, str(form.get("pin", "")))
        raise web.HTTPSeeOther(f"/phones/{phone}")

    async def _cancel(self, request: web.Request) -> web.Response:
        phone = _of_this_page(request)
        await self._mpesa.cancel(phone)
        raise web.HTTPSeeOther(f"/phones/{phone}")

    async def _paybill(self, request: web.Request) -> web.Response:
        phone, form = _of_this_page(request), await request.post()
        amount = str(form.get("shillings", ""))
        if not amount.isascii() or not amount.isdigit() or not 1 <= int(amount) <= 250_000:
            raise web.HTTPSeeOther(f"/phones/{phone}?said=amount")
        paid, _ = await self._mpesa.pay_paybill(phone, int(amount), str(form.get("reference", ""))[:20])
        raise web.HTTPSeeOther(f"/phones/{phone}?said={'sent' if paid else 'refused'}")

    def _page(self, phone: str, said: str = "") -> web.Response:
        prompts = [p for p in reversed(self._mpesa.prompts.values()) if p.phone == phone]
        latest = list(reversed(self._mpesa.prompts.values()))[:_LATEST]
        html = self._template.render(
            phone=phone,
            version=self._version(),
            prompt=self._mpesa.open_prompt(phone),
            last=prompts[0] if prompts else None,
            latest=latest,
            payments=list(reversed(self._mpesa.paid))[:_LATEST],
            words=_words,
            now=self._mpesa.clock.now(),
            pin=PIN,
            shortcode=self._mpesa.shortcode,
            said=said,
            by_phone=BY_PHONE,
            by_amount=BY_AMOUNT,
        )
        return web.Response(text=html, content_type="text/html", headers=_HEADERS)


def _of_this_page(request: web.Request) -> str:
    """The phone of a form that this page sent. Raises 403 for one of another origin."""
    origin = request.headers.get("Origin")
    if origin is not None and urlsplit(origin).netloc != request.host:
        raise web.HTTPForbidden
    return request.match_info["phone"]


def _words(prompt: Prompt) -> str:
    if prompt.open:
        return "waiting"
    return "paid" if prompt.result == "0" else f"{prompt.result} · {RESULT_WORDS.get(prompt.result, '')}"


def _time(moment: datetime) -> str:
    return moment.astimezone(NAIROBI).strftime("%H:%M:%S")


def _spaced(phone: str) -> str:
    """`254712345678` as `0712 345 678`."""
    return f"0{phone[3:6]} {phone[6:9]} {phone[9:]}"
