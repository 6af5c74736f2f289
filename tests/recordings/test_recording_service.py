import asyncio
import wave
from pathlib import Path
from typing import Any
from uuid import UUID

import asyncpg
import obstore
import pytest

from recordings.office import Office, wav, wav_header
from sautikitd.database.pool import DatabaseUnavailable
from sautikitd.ids import uuid7
from sautikitd.recordings.errors import RecordingUnfinished
from sautikitd.recordings.models import TRANSITIONS, RecordingStatus
from sautikitd.recordings.service import UnknownRecording
from sautikitd.recordings.spool import Spool, held
from sautikitd.timestamps import rfc3339


async def test_a_finished_recording_is_in_the_store_told_of_once_and_out_of_the_spool(office: Office) -> None:
    recording_id, path = await office.begin(channels=2, content=wav(2, 1.5))
    whole = path.read_bytes()

    assert await office.service.finish(recording_id, path, 1500) is RecordingStatus.READY

    stored = await office.read(recording_id)
    assert (stored.duration_ms, stored.duration_seconds, stored.size_bytes) == (1500, 2, len(whole))
    assert stored.expires_at is not None
    assert (stored.expires_at - office.clock.now()).days == 90
    assert [file.read_bytes() for file in office.objects()] == [whole]
    assert not path.exists()
    ((kind, sequence, data),) = await office.events()
    assert (kind, sequence) == ("recording.ready", 4)
    assert data | {"download_url": "…"} == {
        "recording_id": str(recording_id),
        "call_id": str(office.call_id),
        "number_id": str(office.number_id),
        "session_id": stored.session_id,
        "sequence": 4,
        "channels": 2,
        "duration_seconds": 2,
        "size_bytes": len(whole),
        "download_url": "…",
        "expires_at": "2026-11-23T10:00:00.000Z",
        "client_request_id": "order 7",
        "media_url": f"http://api.test/v1/recordings/{recording_id}/media",
        "started_at": rfc3339(stored.created_at),
    }


async def test_both_urls_of_the_call_hear_of_a_recording(office: Office) -> None:
    await office.ready()
    async with office.database.connection() as connection:
        rows = await connection.fetch("SELECT url FROM webhook_deliveries ORDER BY url")
    assert [row["url"] for row in rows] == ["https://shop.test/call", "https://shop.test/number"]


async def test_finishing_twice_tells_once(office: Office) -> None:
    recording_id, path = await office.begin()
    await office.service.finish(recording_id, path, 500)
    assert await office.service.finish(recording_id, path, 500) is RecordingStatus.READY
    assert len(await office.events()) == 1


async def test_two_finishing_at_once_do_not_disturb_each_other(office: Office) -> None:
    recording_id, path = await office.begin()
    outcomes = await asyncio.gather(*(office.service.finish(recording_id, path, 500) for _ in range(5)))
    assert RecordingStatus.READY in outcomes
    assert len(await office.events()) == 1
    assert len(office.objects()) == 1


async def test_a_file_in_other_hands_is_left_to_them(office: Office) -> None:
    recording_id, path = await office.begin()
    with held(path):
        assert await office.service.finish(recording_id, path, 500) is RecordingStatus.PROCESSING
    assert path.exists()
    assert (await office.read(recording_id)).status is RecordingStatus.RECORDING


async def test_a_recording_nobody_began_is_refused_and_its_file_kept(office: Office, tmp_path: Path) -> None:
    path = tmp_path / "stray.wav"
    path.write_bytes(wav(1, 0.1))
    with pytest.raises(UnknownRecording):
        await office.service.finish(uuid7(), path, 100)
    assert path.exists()


async def test_a_truncated_file_of_a_killed_node_becomes_a_playable_recording(office: Office) -> None:
    cut = wav_header(2, 0) + wav(2, 0.75)[44:] + b"\x01\x02\x03"
    recording_id, path = await office.begin(channels=2, content=cut)
    await office.kill_node()

    assert await office.service.resume(office.spool) == {recording_id: RecordingStatus.READY}

    assert (await office.read(recording_id)).duration_ms == 750
    (file,) = office.objects()
    with wave.open(str(file)) as played:
        assert (played.getnchannels(), played.getframerate(), played.getnframes()) == (2, 8000, 6000)
    assert file.stat().st_size == 44 + 6000 * 4
    assert not path.exists()


async def test_resume_leaves_the_files_of_living_nodes_alone(office: Office) -> None:
    _, path = await office.begin()
    assert await office.service.resume(office.spool) == {}
    assert path.exists()


async def test_resume_leaves_other_machines_spools_alone(office: Office, tmp_path: Path) -> None:
    elsewhere = Spool.open(tmp_path / "other machine")
    recording_id, path = await office.begin(spool=elsewhere)
    await office.kill_node()
    assert await office.service.resume(office.spool) == {}
    assert (await office.read(recording_id)).status is RecordingStatus.RECORDING
    assert path.exists()


async def test_a_dead_nodes_missing_file_is_told_as_a_failure(office: Office) -> None:
    recording_id, path = await office.begin()
    path.unlink()
    await office.kill_node()
    assert await office.service.resume(office.spool) == {recording_id: RecordingStatus.FAILED}
    ((kind, sequence, data),) = await office.events()
    assert (kind, sequence, data["error"]) == ("recording.failed", 4, "file_missing")


async def test_what_is_no_recording_is_told_as_a_failure(office: Office) -> None:
    recording_id, path = await office.begin(content=b"")
    await office.kill_node()
    assert await office.service.resume(office.spool) == {recording_id: RecordingStatus.FAILED}
    assert (await office.events())[0][2]["error"] == "file_damaged"
    assert not path.exists()


class Killed(BaseException):
    """As a SIGKILL: nothing after this point runs."""


_STEPS = [
    "repository.mark_processing",
    "store.put.before",
    "store.put.after",
    "repository.mark_ready",
    "discard",
]


@pytest.mark.parametrize("step", _STEPS)
async def test_a_crash_between_any_two_steps_is_made_good(
    office: Office, monkeypatch: pytest.MonkeyPatch, step: str
) -> None:
    recording_id, path = await office.begin()
    with monkeypatch.context() as patch:
        _die_at(step, office, patch)
        with pytest.raises(Killed):
            await office.service.finish(recording_id, path, 500)
    await office.kill_node()

    await office.service.resume(office.spool)

    assert (await office.read(recording_id)).status is RecordingStatus.READY
    assert [kind for kind, _, _ in await office.events()] == ["recording.ready"]
    assert len(office.objects()) == 1
    assert not path.exists()


def _die_at(step: str, office: Office, patch: pytest.MonkeyPatch) -> None:
    put = office.store.put

    async def put_then_die(key: str, file: Path) -> int:
        if step == "store.put.after":
            await put(key, file)
        raise Killed

    async def die(*_: Any, **__: Any) -> Any:
        raise Killed

    def die_now(_: Path) -> None:
        raise Killed

    if step.startswith("store.put"):
        patch.setattr(office.store, "put", put_then_die)
    elif step == "discard":
        patch.setattr("sautikitd.recordings.service.discard", die_now)
    else:
        patch.setattr(f"sautikitd.recordings.{step}", die)


async def test_an_upload_that_failed_is_made_up_for_while_the_node_lives(
    office: Office, monkeypatch: pytest.MonkeyPatch
) -> None:
    recording_id, path = await office.begin()

    async def refuse(*_: Any, **__: Any) -> Any:
        raise obstore.exceptions.GenericError("the store is away")

    with monkeypatch.context() as patch:
        patch.setattr(obstore, "put_async", refuse)
        assert await office.service.finish(recording_id, path, 500) is RecordingStatus.PROCESSING
    assert await office.service.resume(office.spool) == {recording_id: RecordingStatus.READY}


async def test_a_database_that_is_away_delays_a_recording_and_does_not_lose_it(
    office: Office, monkeypatch: pytest.MonkeyPatch
) -> None:
    recording_id, path = await office.begin()

    async def no_socket(*_: Any) -> Any:
        raise FileNotFoundError(".s.PGSQL.5432")

    with monkeypatch.context() as patch:
        patch.setattr("sautikitd.recordings.repository.mark_processing", no_socket)
        with pytest.raises(DatabaseUnavailable):
            await office.service.finish(recording_id, path, 500)
    assert (await office.read(recording_id)).status is RecordingStatus.RECORDING
    assert path.exists()
    assert await office.service.resume(office.spool) == {recording_id: RecordingStatus.READY}
    assert await office.service.resume(office.spool) == {}


async def test_a_running_recording_cannot_be_deleted(office: Office) -> None:
    recording_id, _ = await office.begin()
    with pytest.raises(RecordingUnfinished):
        async with office.database.transaction() as connection:
            await office.service.delete(connection, recording_id)


async def test_the_newest_recording_of_each_call_is_found_at_once(office: Office) -> None:
    other = await office.add_call(office.workspace_id, office.number_id)
    await office.ready()
    newest = await office.ready(seconds=1.2, channels=2)
    alone, _ = await office.begin(call_id=other)
    async with office.database.connection() as connection:
        found = await office.service.latest(connection, [office.call_id, other, uuid7()])
    assert {call: summary.id for call, summary in found.items()} == {office.call_id: newest, other: alone}
    summary = found[office.call_id]
    assert (summary.status, summary.channels, summary.duration_seconds) == (RecordingStatus.READY, 2, 2)
    assert (summary.size_bytes, summary.created_at) == (44 + 9600 * 4, "2026-11-23T09:00:00.000Z")


async def test_the_database_knows_the_same_transitions(office: Office) -> None:
    async with office.database.connection() as connection:
        rows = await connection.fetch("SELECT from_status, to_status FROM recording_status_edges")
    here = {(source.value, target.value) for source, targets in TRANSITIONS.items() for target in targets}
    assert {(row["from_status"], row["to_status"]) for row in rows} == here


async def test_the_database_refuses_a_step_back(office: Office) -> None:
    recording_id: UUID = await office.ready()
    with pytest.raises(asyncpg.CheckViolationError):
        await office.execute("UPDATE recordings SET status = 'recording' WHERE id = $1", recording_id)


def test_a_spool_keeps_its_identity(tmp_path: Path) -> None:
    assert Spool.open(tmp_path).id == Spool.open(tmp_path).id
