"""A handler written for Twilio hears of a transcription in Twilio's words, signed as Twilio signs, until it takes it."""

from collections.abc import AsyncIterator
from importlib import import_module
from urllib.parse import parse_qsl

import pytest

from sautikitd.egress.client import EgressClient
from sautikitd.egress.guard import EgressGuard
from sautikitd.flow.port import TranscriptionWish
from sautikitd.identity.signing_secrets import SigningSecrets
from sautikitd.secretbox import SecretBox
from sautikitd.transcription.callbacks import GAPS, TranscriptionCallbacks
from transcription.conftest import Desk
from transcription.service import Handler, handler_of_a_customer


@pytest.fixture
async def handler() -> AsyncIterator[Handler]:
    async with handler_of_a_customer() as handler:
        yield handler


@pytest.fixture
async def secrets(desk: Desk) -> SigningSecrets:
    return SigningSecrets(SecretBox([bytes(32)]), desk.office.clock)


@pytest.fixture
async def callbacks(desk: Desk, secrets: SigningSecrets) -> AsyncIterator[TranscriptionCallbacks]:
    async with EgressClient(EgressGuard(allow_private=True)) as egress:
        yield TranscriptionCallbacks(
            database=desk.office.database,
            egress=egress,
            secrets=secrets,
            clock=desk.office.clock,
            public_url="http://api.test",
        )


async def transcribed(desk: Desk, handler: Handler) -> str:
    """A call in Twilio's vocabulary whose recording was written down: the hex digits of the recording."""
    await desk.office.execute("UPDATE calls SET callback_format = 'twilio'")
    recording_id = await desk.recorded(TranscriptionWish(callback_url=handler.url))
    assert await desk.transcriptions.work_one()
    return recording_id.hex


async def test_the_form_is_twilios_and_so_is_the_signature(
    desk: Desk, handler: Handler, callbacks: TranscriptionCallbacks, secrets: SigningSecrets
) -> None:
    async with desk.office.database.transaction() as connection:
        secret = await secrets.create(connection, desk.office.workspace_id, "test", desk.office.clock.now())
    recording = await transcribed(desk, handler)
    assert await callbacks.send_one()
    ((body, headers),) = handler.taken
    form = dict(parse_qsl(body.decode(), keep_blank_values=True))
    assert form["TranscriptionText"] == "habari ya asubuhi"
    assert form["TranscriptionStatus"] == "completed"
    assert (form["TranscriptionSid"], form["RecordingSid"]) == (f"TR{recording}", f"RE{recording}")
    assert form["CallSid"] == f"CA{desk.office.call_id.hex}"
    assert form["TranscriptionUrl"].endswith("/transcription")
    validator = import_module("twilio.request_validator").RequestValidator(secret)
    assert validator.validate(handler.url, form, headers["X-Twilio-Signature"])
    assert not await callbacks.send_one()


async def test_it_is_not_sent_as_an_event_too(desk: Desk, handler: Handler) -> None:
    await transcribed(desk, handler)
    async with desk.office.database.connection() as connection:
        urls = await connection.fetch("SELECT url FROM webhook_deliveries")
    assert handler.url not in {row["url"] for row in urls}


async def test_a_handler_that_fails_is_asked_again_and_given_up(
    desk: Desk, handler: Handler, callbacks: TranscriptionCallbacks
) -> None:
    handler.status = 500
    await transcribed(desk, handler)
    for gap in GAPS:
        assert await callbacks.send_one()
        assert not await callbacks.send_one()
        desk.office.clock.advance(gap.total_seconds())
    assert await callbacks.send_one()
    desk.office.clock.advance(GAPS[-1].total_seconds())
    assert not await callbacks.send_one()
    assert len(handler.taken) == 5


async def test_a_handler_that_comes_back_gets_it_once(
    desk: Desk, handler: Handler, callbacks: TranscriptionCallbacks
) -> None:
    handler.status = 500
    await transcribed(desk, handler)
    await callbacks.send_one()
    handler.status = 204
    desk.office.clock.advance(GAPS[0].total_seconds())
    assert await callbacks.send_one()
    desk.office.clock.advance(GAPS[-1].total_seconds())
    assert not await callbacks.send_one()
