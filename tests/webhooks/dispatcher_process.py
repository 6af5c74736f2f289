"""A dispatcher in a process of its own, to be killed: `python -m webhooks.dispatcher_process DATABASE_URL`."""

import asyncio
import sys

from sautikitd.clock import SystemClock
from sautikitd.database.pool import Database, DatabaseUnavailable
from sautikitd.egress.client import EgressClient
from sautikitd.egress.guard import EgressGuard
from sautikitd.secretbox import SecretBox
from sautikitd.webhooks.dispatcher import Dispatcher
from sautikitd.webhooks.queue import open_queue_database
from sautikitd.webhooks.secrets import DeliverySecrets, SubscriptionSecrets
from webhooks.workspace import FixedSigningSecrets


async def connected(url: str) -> Database:
    """Tried again as a supervisor would start it again: the database may be away just now."""
    async with asyncio.timeout(60):
        while True:
            try:
                return await open_queue_database(url)
            except DatabaseUnavailable:
                await asyncio.sleep(0.2)


async def main(url: str) -> None:
    database = await connected(url)
    secrets = DeliverySecrets(database, SubscriptionSecrets(SecretBox([b"k" * 32])), FixedSigningSecrets())
    async with EgressClient(EgressGuard(allow_private=True), per_host=0) as client:
        await Dispatcher(database, client, secrets, SystemClock()).run()


if __name__ == "__main__":
    asyncio.run(main(sys.argv[1]))
