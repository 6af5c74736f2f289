"""Status callbacks as they are really delivered: by a dispatcher, checked by Twilio's own library."""

import asyncio
import importlib
import random
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from email.utils import parsedate_to_datetime

from flow.doubles import Asked, CallbackServer
from node.switchboard import Switchboard
from sautikitd.egress.client import EgressClient
from sautikitd.webhooks.dispatcher import Dispatcher
from sautikitd.webhooks.secrets import DeliverySecrets
from sautikitd.webhooks.wakeups import WakeUps


@asynccontextmanager
async def dispatching(board: Switchboard) -> AsyncIterator[None]:
    platform = board.platform
    secrets = DeliverySecrets(platform.database, platform.subscription_secrets, platform.signing_secrets)
    async with EgressClient(platform.guard, per_host=0) as client:
        wakeups = WakeUps(shortest=0.02, longest=0.04)
        dispatcher = Dispatcher(
            platform.database, client, secrets, board.clock, randomness=random.Random(7), wakeups=wakeups
        )
        running = asyncio.create_task(dispatcher.run())
        try:
            yield
        finally:
            dispatcher.stop()
            await running


async def auth_token(board: Switchboard) -> str:
    async with board.platform.database.connection() as connection:
        valid = await board.platform.signing_secrets.valid(connection, board.workspace_id, "live")
    return str(valid[-1])


def accepted(server: CallbackServer, told: Sequence[Asked], secret: str, path: str = "/status") -> None:
    validator = importlib.import_module("twilio.request_validator").RequestValidator(secret)
    for asked in told:
        assert asked.headers["Content-Type"] == "application/x-www-form-urlencoded"
        assert validator.validate(server.url(path), dict(asked.form), asked.headers["X-Twilio-Signature"])
        assert parsedate_to_datetime(asked.form["Timestamp"]).tzinfo is not None
