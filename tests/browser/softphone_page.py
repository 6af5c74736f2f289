"""A softphone library in a page of Chromium, as the tests use it."""

import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from aiohttp import web

from browser.chromium import Chromium, Page
from system.sound import power_at

HERE = Path(__file__).parent
LIBRARIES = {
    "jssip": "<script src=/jssip_phone.js></script>",
    "sip.js": "<script type=module src=/sipjs_phone.js></script>",
}


@dataclass(frozen=True)
class Account:
    """What a token or a credential gives, and how the browser is to find its way."""

    url: str
    user: str
    password: str
    domain: str
    codec: str
    ice_servers: list[dict[str, Any]] = field(default_factory=list)
    relay_only: bool = False

    def script(self) -> str:
        ice = {"servers": self.ice_servers, "policy": "relay" if self.relay_only else "all"}
        return json.dumps(
            {
                **{"url": self.url, "user": self.user, "password": self.password},
                **{"domain": self.domain, "codec": self.codec, "ice": ice},
            }
        )


class PagePhone:
    def __init__(self, page: Page) -> None:
        self._page = page
        self.name = ""  # the username it is registered by

    async def register(self, account: Account) -> None:
        self.name = account.user
        await self._page.run(f"(window.phone = makePhone({account.script()})).register()")

    async def call(self, number: str) -> None:
        """Returns when the call is up."""
        await self._page.run(f"phone.call({json.dumps(number)})", within_s=30)

    async def answer(self) -> None:
        """Waits for a call and takes it."""
        await self._page.run("phone.answer()", within_s=30)

    async def press(self, digit: str) -> None:
        await self._page.run(f"void phone.press({json.dumps(digit)})")

    async def hold(self) -> None:
        """By a re-INVITE; `resume` takes it back by another."""
        await self._page.run("phone.hold()")

    async def resume(self) -> None:
        await self._page.run("phone.resume()")

    async def ask(self, number: str) -> None:
        """Holds the call, and makes another one."""
        await self._page.run(f"phone.ask({json.dumps(number)})", within_s=30)

    async def put_together(self) -> list[str]:
        """Refers who is on hold to who was asked, in the place of the call there is; what it was told of that, in order."""
        told: list[str] = await self._page.run("phone.putTogether()", within_s=30)
        return told

    async def hears(self, hertz: float) -> float:
        """The share of that tone in what it hears."""
        heard = await self._page.run("listen(phone.connection())")
        return power_at(np.array(heard["samples"], np.float64), int(heard["rate"]), hertz)

    async def facts(self) -> dict[str, Any]:
        facts: dict[str, Any] = await self._page.run("connectionFacts(phone.connection())")
        return facts

    async def hang_up(self) -> None:
        await self._page.run("phone.hangUp()")

    async def close(self) -> None:
        await self._page.run("void (window.phone && phone.stop())")
        await self._page.close()


@asynccontextmanager
async def served_pages() -> AsyncIterator[str]:
    """The pages and the libraries on a port of loopback, which browsers hold to be as good as HTTPS."""

    async def page(request: web.Request) -> web.Response:
        html = (HERE / "pages" / "phone.html").read_text()
        script = LIBRARIES[request.match_info["library"]]
        return web.Response(text=html.replace("</html>", f"{script}</html>"), content_type="text/html")

    site = web.Application()
    site.router.add_get("/phone/{library}", page)
    site.router.add_static("/node_modules", HERE / "node_modules")
    site.router.add_static("/", HERE / "pages")
    runner = web.AppRunner(site, access_log=None)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    port = runner.addresses[0][1]
    yield f"http://127.0.0.1:{port}"
    await runner.cleanup()


async def open_phone(chromium: Chromium, site: str, library: str) -> PagePhone:
    return PagePhone(await chromium.open(f"{site}/phone/{library}"))
