"""What is said is written down once, told once, and survives whatever dies in between."""

import asyncio
from pathlib import Path

from sautikitd.flow.port import TranscriptionWish
from sautikitd.transcription.engine import Transcript
from sautikitd.transcription.service import GAPS, LEASE, MOST_TOLD
from transcription.conftest import Desk
from transcription.service import HearingService


async def test_a_stored_recording_is_transcribed_and_told(desk: Desk, service: HearingService) -> None:
    recording_id = await desk.recorded()
    assert await desk.transcriptions.work_one()
    row = await desk.row(recording_id)
    assert (row["status"], row["text"], row["engine"]) == ("completed", "habari ya asubuhi", "http")
    ((kind, data),) = await desk.events()
    assert kind == "recording.transcribed"
    assert data["text"] == "habari ya asubuhi"
    assert data["recording_id"] == str(recording_id)
    assert not await desk.transcriptions.work_one()
    assert len(service.heard) == 1


async def test_the_callback_hears_of_it_as_of_any_event(desk: Desk) -> None:
    await desk.recorded()
    await desk.transcriptions.work_one()
    async with desk.office.database.connection() as connection:
        urls = await connection.fetch(
            """SELECT d.url FROM webhook_deliveries d JOIN events e ON e.id = d.event_id
            WHERE e.kind = 'recording.transcribed' ORDER BY d.url"""
        )
    assert [row["url"] for row in urls] == [
        "https://shop.test/call",
        "https://shop.test/heard",
        "https://shop.test/number",
    ]


async def test_nothing_happens_before_the_recording_is_stored(desk: Desk) -> None:
    recording_id = await desk.recorded(finished=False)
    assert not await desk.transcriptions.work_one()
    await desk.office.service.finish(recording_id, desk.office.spool.path_of(recording_id), 500)
    assert await desk.transcriptions.work_one()


async def test_a_recording_that_failed_fails_its_transcription(desk: Desk, service: HearingService) -> None:
    recording_id = await desk.recorded(finished=False)
    desk.office.spool.path_of(recording_id).unlink()
    await desk.office.service.finish(recording_id, desk.office.spool.path_of(recording_id))
    assert await desk.transcriptions.work_one()
    ((kind, data),) = await desk.events()
    assert (kind, data["error"]) == ("recording.transcription_failed", "the recording is failed")
    assert service.heard == []


async def test_a_service_that_is_down_is_asked_again_and_given_up_once(
    desk: Desk, service: HearingService
) -> None:
    service.status = 503
    recording_id = await desk.recorded()
    for gap in GAPS:
        assert await desk.transcriptions.work_one()
        assert not await desk.transcriptions.work_one()
        desk.office.clock.advance(gap.total_seconds())
    assert await desk.transcriptions.work_one()
    row = await desk.row(recording_id)
    assert (row["status"], row["attempts"], row["text"]) == ("failed", 5, None)
    assert "503" in row["error"]
    desk.office.clock.advance(LEASE.total_seconds())
    assert not await desk.transcriptions.work_one()
    assert [kind for kind, _ in await desk.events()] == ["recording.transcription_failed"]


async def test_a_service_that_comes_back_is_heard(desk: Desk, service: HearingService) -> None:
    service.status = 503
    recording_id = await desk.recorded()
    await desk.transcriptions.work_one()
    service.status = 200
    desk.office.clock.advance(GAPS[0].total_seconds())
    await desk.transcriptions.work_one()
    assert (await desk.row(recording_id))["status"] == "completed"


async def test_what_would_only_be_repeated_is_given_up_at_once(desk: Desk, service: HearingService) -> None:
    service.status = 401
    recording_id = await desk.recorded()
    await desk.transcriptions.work_one()
    assert (await desk.row(recording_id))["status"] == "failed"


class Stuck:
    """An engine that answers when it is let."""

    name = "stuck"

    def __init__(self) -> None:
        self.asked, self.go = asyncio.Event(), asyncio.Event()

    async def transcribe(self, wav: Path, language: str | None) -> Transcript:
        self.asked.set()
        await self.go.wait()
        return Transcript(text="too late")


async def test_a_killed_attempt_is_taken_over_and_never_told_twice(desk: Desk) -> None:
    recording_id = await desk.recorded()
    stuck = Stuck()
    lost = asyncio.create_task(desk.by(stuck).work_one())
    await stuck.asked.wait()
    assert not await desk.transcriptions.work_one()
    desk.office.clock.advance(LEASE.total_seconds())
    assert await desk.transcriptions.work_one()
    stuck.go.set()  # it was not dead after all
    await lost
    assert (await desk.row(recording_id))["text"] == "habari ya asubuhi"
    assert [kind for kind, _ in await desk.events()] == ["recording.transcribed"]


async def test_several_workers_share_the_work(desk: Desk, service: HearingService) -> None:
    for _ in range(4):
        await desk.recorded()
    done = await asyncio.gather(*(desk.transcriptions.work_one() for _ in range(4)))
    assert done == [True] * 4
    assert len(service.heard) == 4
    assert len(await desk.events()) == 4


async def test_words_go_with_their_recording(desk: Desk) -> None:
    recording_id = await desk.recorded()
    await desk.transcriptions.work_one()
    async with desk.office.database.transaction() as connection:
        await desk.office.service.delete(connection, recording_id)
    assert (await desk.row(recording_id))["text"] is None
    ((_, data),) = await desk.events()
    assert "text" not in data


async def test_words_of_a_recording_deleted_meanwhile_are_not_kept(desk: Desk) -> None:
    recording_id = await desk.recorded()
    stuck = Stuck()
    late = asyncio.create_task(desk.by(stuck).work_one())
    await stuck.asked.wait()
    async with desk.office.database.transaction() as connection:
        await desk.office.service.delete(connection, recording_id)
    stuck.go.set()
    await late
    assert (await desk.row(recording_id))["text"] is None


async def test_a_long_text_is_whole_in_the_row_and_cut_in_the_event(
    desk: Desk, service: HearingService
) -> None:
    service.text = "maneno " * 2000
    recording_id = await desk.recorded()
    await desk.transcriptions.work_one()
    assert len((await desk.row(recording_id))["text"]) == 13_999
    ((_, data),) = await desk.events()
    assert (len(str(data["text"])), data["text_cut"]) == (MOST_TOLD, True)


async def test_without_an_engine_what_was_asked_for_fails(desk: Desk) -> None:
    recording_id = await desk.recorded()
    await desk.by(None).work_one()
    assert "no engine" in (await desk.row(recording_id))["error"]


async def test_the_service_gets_the_file_its_language_and_its_key(
    desk: Desk, service: HearingService
) -> None:
    await desk.recorded()
    await desk.transcriptions.work_one()
    (heard,) = service.heard
    assert heard.fields == {"model": "large", "response_format": "json", "language": "sw"}
    assert (heard.file_name, heard.size, heard.credential) == ("recording.wav", 8044, "Bearer s3cret")


async def test_a_language_nobody_named_is_left_to_the_service(desk: Desk, service: HearingService) -> None:
    await desk.recorded(TranscriptionWish())
    await desk.transcriptions.work_one()
    assert "language" not in service.heard[0].fields
