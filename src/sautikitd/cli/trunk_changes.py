"""The transaction in which a command changes trunks, and the word to the voice nodes after it."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from sautikitd.app import Platform
from sautikitd.cli.installation import installation
from sautikitd.database.pool import Connection
from sautikitd.settings import Settings
from sautikitd.trunks.models import CHANNEL


@asynccontextmanager
async def changing_trunks(settings: Settings) -> AsyncIterator[tuple[Platform, Connection]]:
    """Commits at the end of the block. A call that is placed after it finds every voice node told."""
    async with installation(settings) as platform:
        async with platform.database.transaction() as connection:
            yield platform, connection
        await platform.waker.wake(CHANNEL)
