"""The simulator over HTTP: Daraja's endpoints, the control, and the page of the phone."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass

from aiohttp import web

from sautikitd.payments.daraja.account import DarajaAccount
from sautikitd.simulators.daraja.api import DarajaApi
from sautikitd.simulators.daraja.control import Control
from sautikitd.simulators.daraja.initiator import InitiatorApi
from sautikitd.simulators.daraja.mpesa import SimulatedMpesa
from sautikitd.simulators.daraja.page import PhonePage

_LARGEST_BODY = 64 * 1024
_SHUTDOWN_S = 0.5


@dataclass(frozen=True)
class Serving:
    """A running simulator, and where."""

    mpesa: SimulatedMpesa
    api: DarajaApi
    initiator: InitiatorApi
    host: str
    port: int


@asynccontextmanager
async def serving(
    mpesa: SimulatedMpesa, account: DarajaAccount, address: tuple[str, int]
) -> AsyncIterator[Serving]:
    """Serves meanwhile. Raises `OSError` when the address is taken; port 0 takes a free one."""
    api = DarajaApi(mpesa, account)
    initiator = InitiatorApi(mpesa, account, api)
    application = web.Application(client_max_size=_LARGEST_BODY)
    for part in (api, initiator, Control(mpesa, api), PhonePage(mpesa)):
        application.add_routes(part.routes())
    runner = web.AppRunner(application, access_log=None, shutdown_timeout=_SHUTDOWN_S)
    async with mpesa:
        await runner.setup()
        try:
            await web.TCPSite(runner, *address).start()
            host, port = runner.addresses[0][:2]
            yield Serving(mpesa, api, initiator, host, port)
        finally:
            await runner.cleanup()
