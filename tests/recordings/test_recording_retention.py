import os
from datetime import timedelta
from pathlib import Path
from typing import Any

import obstore
import pytest

from recordings.office import Office
from sautikitd.recordings.jobs import tidy_recordings
from sautikitd.recordings.links import Link
from sautikitd.recordings.models import RecordingStatus, StoredRecording
from sautikitd.recordings.mp3 import Mp3Maker
from sautikitd.recordings.store import mp3_key

DAY = 86_400


async def tidy(office: Office) -> None:
    await tidy_recordings(office.database, office.retention, office.clock)


async def test_a_recording_lives_ninety_days_and_not_longer(office: Office) -> None:
    recording_id = await office.ready()
    office.clock.advance(90 * DAY - 1)
    await tidy(office)
    assert (await office.read(recording_id)).status is RecordingStatus.READY
    office.clock.advance(1)
    await tidy(office)
    assert (await office.read(recording_id)).status is RecordingStatus.EXPIRED
    assert office.objects() == []


async def test_an_object_the_store_will_not_give_up_is_asked_for_until_it_goes(
    office: Office, monkeypatch: pytest.MonkeyPatch
) -> None:
    recording_id = await office.ready()

    async def refuse(*_: Any, **__: Any) -> Any:
        raise obstore.exceptions.GenericError("the store is away")

    with monkeypatch.context() as patch:
        patch.setattr(obstore, "delete_async", refuse)
        async with office.database.transaction() as connection:
            await office.service.delete(connection, recording_id)
        assert await office.retention.purge(recording_id) == 0
    await tidy(office)
    assert len(office.objects()) == 1
    office.clock.advance(301)
    await tidy(office)
    assert office.objects() == []
    office.clock.advance(301)
    assert await office.retention.purge() == 0


async def test_the_mp3_goes_with_its_recording(office: Office, mp3: Mp3Maker) -> None:
    recording_id = await office.ready()
    assert await mp3.ready_within(await office.read(recording_id), 30)
    assert len(office.objects()) == 2
    async with office.database.transaction() as connection:
        await office.service.delete(connection, recording_id)
    assert await office.retention.purge() == 1
    assert office.objects() == []


async def test_an_mp3_made_while_its_recording_is_deleted_goes_too(
    office: Office, mp3: Mp3Maker, monkeypatch: pytest.MonkeyPatch
) -> None:
    recording = await office.read(await office.ready())
    put = office.store.put

    async def put_after_deletion(key: str, file: Path) -> int:
        async with office.database.transaction() as connection:
            await office.service.delete(connection, recording.id)
        await office.retention.purge()
        return await put(key, file)

    monkeypatch.setattr(office.store, "put", put_after_deletion)
    await mp3.ready_within(recording, 30)
    assert [path.name for path in office.objects()] == [mp3_key(recording.object_key).rpartition("/")[2]]
    await tidy(office)
    assert office.objects() == []


async def test_a_file_uploaded_after_its_recording_was_given_up_does_not_stay(
    office: Office, monkeypatch: pytest.MonkeyPatch
) -> None:
    recording_id, path = await office.begin()
    publish = office.service._publish

    async def given_up_first(
        recording: StoredRecording, duration_ms: int, size_bytes: int, link: Link
    ) -> RecordingStatus:
        await office.kill_node()
        office.clock.advance(3 * DAY + 1)
        await tidy(office)
        return await publish(recording, duration_ms, size_bytes, link)

    monkeypatch.setattr(office.service, "_publish", given_up_first)
    assert await office.service.finish(recording_id, path, 500) is RecordingStatus.FAILED
    await tidy(office)
    assert office.objects() == []
    assert not path.exists()


async def test_a_recording_that_never_came_back_fails_after_three_days(office: Office) -> None:
    recording_id, path = await office.begin()
    await office.kill_node()
    path.unlink()
    office.clock.advance(3 * DAY)
    await tidy(office)
    assert (await office.read(recording_id)).status is RecordingStatus.RECORDING
    office.clock.advance(1)
    await tidy(office)
    assert (await office.read(recording_id)).error == "node_lost"
    assert [kind for kind, _, _ in await office.events()] == ["recording.failed"]


async def test_a_living_nodes_recording_is_never_given_up(office: Office) -> None:
    recording_id, _ = await office.begin()
    office.clock.advance(timedelta(days=30).total_seconds())
    await tidy(office)
    assert (await office.read(recording_id)).status is RecordingStatus.RECORDING


async def test_what_a_killed_upload_left_in_the_store_goes_with_the_recording(office: Office) -> None:
    recording_id = await office.ready()
    (stored,) = office.objects()
    stored.with_name(f"{stored.name}#1").write_bytes(b"half of it")
    async with office.database.transaction() as connection:
        await office.service.delete(connection, recording_id)
    await office.retention.purge()
    assert office.objects() == []


async def test_what_a_killed_encoder_left_behind_is_cleared_away(
    office: Office, mp3: Mp3Maker, tmp_path: Path
) -> None:
    left = tmp_path / "scratch" / "mp3-left"
    left.mkdir(parents=True)
    os.utime(left, (0, 0))
    assert await mp3.ready_within(await office.read(await office.ready()), 30)
    assert list(left.parent.iterdir()) == []


async def test_days_that_pass_on_a_test_clock_end_the_retention_of_test_mode_alone(office: Office) -> None:
    recording = await office.read(await office.ready())
    now = office.clock.now()
    for days, status in ((89, RecordingStatus.READY), (90, RecordingStatus.EXPIRED)):
        async with office.database.transaction() as connection:
            later = now + timedelta(days=days)
            await office.retention.pass_days(connection, recording.workspace_id, now, later)
        assert (await office.read(recording.id)).status is status
    await tidy(office)
    assert office.objects() == []
