"""Telling Daraja where to post Paybill payments: by staff, once, for live; by itself for the simulator, which forgets."""

import structlog

from sautikitd.events.models import Mode
from sautikitd.payments.accounts import CallbackPaths
from sautikitd.payments.daraja.client import DarajaClient
from sautikitd.payments.daraja.outcomes import Accepted, Outcome, Rejected
from sautikitd.payments.errors import DarajaRefused

log = structlog.get_logger()


class PaybillRegistration:
    def __init__(self, clients: dict[Mode, DarajaClient], paths: CallbackPaths) -> None:
        self._clients = clients
        self._paths = paths

    async def register(self, mode: Mode) -> None:
        """Raises `DarajaRefused`. In production it can be done once; later only Safaricom's portal changes it."""
        client = self._clients.get(mode)
        if client is None:
            raise DarajaRefused(why="this installation has no live M-PESA account")
        outcome = await self._ask(client)
        if isinstance(outcome, Rejected):
            raise DarajaRefused(why=outcome.message or outcome.code)
        if not isinstance(outcome, Accepted):
            raise DarajaRefused(why=outcome.why)

    async def keep(self) -> None:
        """Registers with the simulator, harmlessly over and over: it keeps nothing when it is started again."""
        client = self._clients.get("test")
        if client is not None and not isinstance(await self._ask(client), Accepted):
            log.debug("the simulated Paybill is not registered")

    async def _ask(self, client: DarajaClient) -> Outcome[None]:
        account = client.account
        confirmation = account.callback_base + self._paths.paybill(account.mode, "confirmation")
        validation = account.callback_base + self._paths.paybill(account.mode, "validation")
        return await client.register_paybill(confirmation, validation)
