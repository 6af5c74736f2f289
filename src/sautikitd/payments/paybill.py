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
        _require(await self._ask(self._client(mode)))

    async def register_pull(self, mode: Mode, nominated_phone: str) -> None:
        """Has Daraja keep the Paybill's payments for Pull; harmless to repeat. `nominated_phone` as 2547XXXXXXXX,
        one that is registered with the organisation. Raises `DarajaRefused`."""
        client = self._client(mode)
        url = client.account.callback_base + self._paths.paybill(mode, "confirmation")
        _require(await client.register_pull(nominated_phone, url))

    def _client(self, mode: Mode) -> DarajaClient:
        client = self._clients.get(mode)
        if client is None:
            raise DarajaRefused(why="this installation has no live M-PESA account")
        return client

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


def _require(outcome: Outcome[None]) -> None:
    if isinstance(outcome, Rejected):
        raise DarajaRefused(why=outcome.message or outcome.code)
    if not isinstance(outcome, Accepted):
        raise DarajaRefused(why=outcome.why)
