"""`/dev/mail`: the mails that came, on loopback."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from aiohttp import web
from jinja2 import Environment, PackageLoader

from sautikitd.simulators.mail.server import Mailbox

_PAGES = Environment(loader=PackageLoader("sautikitd.simulators.mail"), autoescape=True)
# A mail is shown as it is and may run nothing.
_HARMLESS = {
    "Content-Security-Policy": "default-src 'none'; style-src 'unsafe-inline'; img-src data:; sandbox allow-popups"
}


class MailPages:
    def __init__(self, box: Mailbox) -> None:
        self._box = box
        self.application = web.Application()
        self.application.add_routes(
            [
                web.get("/", self._to_list),
                web.get("/dev/mail", self._list),
                web.get("/dev/mail/{place}", self._show),
                web.get("/healthz", self._health),
            ]
        )

    async def _to_list(self, request: web.Request) -> web.StreamResponse:
        raise web.HTTPFound("/dev/mail")

    async def _list(self, request: web.Request) -> web.Response:
        """Newest first; `place` counts from the oldest kept, so that links stay right while mails come in."""
        count = len(self._box.mails)
        mails = [(count - index, mail) for index, mail in enumerate(self._box.mails)]
        text = _PAGES.get_template("list.html").render(mails=mails)
        return web.Response(text=text, content_type="text/html")

    async def _show(self, request: web.Request) -> web.Response:
        place = request.match_info["place"]
        index = len(self._box.mails) - int(place) if place.isdecimal() else -1
        if not 0 <= index < len(self._box.mails):
            raise web.HTTPNotFound
        kind = "plain" if request.query.get("as") == "text" else "html"
        part = self._box.mails[index].get_body((kind,))
        text = part.get_content() if part else ""
        return web.Response(text=text, content_type=f"text/{kind}", headers=_HARMLESS)

    async def _health(self, request: web.Request) -> web.Response:
        return web.Response(text="ok")


@asynccontextmanager
async def serving(pages: MailPages, host: str, port: int) -> AsyncIterator[int]:
    """Shows the pages while the block lasts; gives the port."""
    runner = web.AppRunner(pages.application, access_log=None, shutdown_timeout=0.5)
    await runner.setup()
    try:
        site = web.TCPSite(runner, host, port)
        await site.start()
        yield runner.addresses[0][1]
    finally:
        await runner.cleanup()
