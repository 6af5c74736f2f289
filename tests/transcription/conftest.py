"""A recording room whose recordings are transcribed by a service on loopback."""

from collections.abc import AsyncIterator
from dataclasses import dataclass
from typing import Any
from uuid import UUID

import pytest

from recordings.conftest import keys as keys
from recordings.conftest import office as office
from recordings.office import Office
from sautikitd.egress.client import EgressClient
from sautikitd.egress.guard import EgressGuard
from sautikitd.events.log import EventLog
from sautikitd.flow.port import TranscriptionWish
from sautikitd.transcription.engine import Transcriber
from sautikitd.transcription.remote import RemoteTranscriber, TranscriptionService
from sautikitd.transcription.service import Transcriptions, request_transcription
from transcription.service import HearingService, hearing_service


@pytest.fixture
async def service() -> AsyncIterator[HearingService]:
    async with hearing_service() as service:
        yield service


@pytest.fixture
async def engine(service: HearingService) -> AsyncIterator[RemoteTranscriber]:
    async with EgressClient(EgressGuard(allow_private=True)) as egress:
        yield RemoteTranscriber(egress, TranscriptionService(url=service.url, key="s3cret", model="large"))


@dataclass
class Desk:
    """Asks for transcriptions, and looks at what became of them."""

    office: Office
    transcriptions: Transcriptions

    async def recorded(self, wish: TranscriptionWish | None = None, *, finished: bool = True) -> UUID:
        """A recording whose transcription was asked for."""
        recording_id, path = await self.office.begin()
        async with self.office.database.transaction() as connection:
            wish = wish or TranscriptionWish(language="sw-KE", callback_url="https://shop.test/heard")
            await request_transcription(connection, recording_id, wish, self.office.clock.now())
        if finished:
            await self.office.service.finish(recording_id, path, 500)
        return recording_id

    async def row(self, recording_id: UUID) -> dict[str, Any]:
        async with self.office.database.connection() as connection:
            row = await connection.fetchrow(
                "SELECT * FROM transcriptions WHERE recording_id = $1", recording_id
            )
        return dict(row)

    async def events(self) -> list[tuple[str, dict[str, object]]]:
        return [(kind, data) for kind, _, data in await self.office.events() if "transcri" in kind]

    def by(self, engine: Transcriber | None) -> Transcriptions:
        return Transcriptions(
            database=self.office.database,
            store=self.office.store,
            events=EventLog(),
            clock=self.office.clock,
            waker=self.office.waker,
            engine=engine,
        )


@pytest.fixture
def desk(office: Office, engine: RemoteTranscriber) -> Desk:
    desk = Desk(office, None)  # type: ignore[arg-type]  # made below, by the desk itself
    desk.transcriptions = desk.by(engine)
    return desk
