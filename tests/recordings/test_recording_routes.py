import asyncio
from datetime import timedelta
from typing import Any

import av
import httpx
import obstore
import pytest

from recordings.office import Keys, Office, wav
from sautikitd.ids import uuid7

JSON = {"Accept": "application/json"}


async def test_the_newest_recording_is_a_redirect_to_a_link(
    office: Office, client: httpx.AsyncClient
) -> None:
    await office.ready()
    await office.ready(seconds=1)
    answer = await client.get(f"/v1/calls/{office.call_id}/recording")
    assert answer.status_code == 302
    media = await client.get(answer.headers["location"])
    assert media.content == wav(1, 1)


async def test_an_older_recording_has_an_address_of_its_own(
    office: Office, client: httpx.AsyncClient
) -> None:
    older = await office.ready()
    await office.ready(seconds=1)
    answer = await client.get(f"/v1/recordings/{older}/media")
    assert answer.status_code == 302
    assert (await client.get(answer.headers["location"])).content == wav(1, 0.5)


async def test_json_alone_gets_the_link_as_json(office: Office, client: httpx.AsyncClient) -> None:
    await office.ready()
    path = f"/v1/calls/{office.call_id}/recording"
    answer = await client.get(path, headers=JSON)
    assert answer.status_code == 200
    assert answer.json()["expires_at"] == "2026-11-23T09:15:00.000Z"
    assert (await client.get(answer.json()["url"])).status_code == 200
    both = await client.get(path, headers={"Accept": "application/json, audio/*"})
    assert both.status_code == 302


async def test_a_call_goes_by_its_session_id_too(office: Office, client: httpx.AsyncClient) -> None:
    recording = await office.read(await office.ready())
    answer = await client.get(f"/v1/calls/{recording.session_id}/recording")
    assert answer.status_code == 302


async def test_a_recording_under_way_is_to_be_waited_for(office: Office, client: httpx.AsyncClient) -> None:
    await office.begin()
    answer = await client.get(f"/v1/calls/{office.call_id}/recording")
    assert answer.status_code == 202
    assert answer.json() == {"status": "pending", "retry_after_seconds": 5}
    assert answer.headers["retry-after"] == "5"


@pytest.mark.parametrize(
    ("path", "code"),
    [
        ("/v1/calls/HD_000000000000/recording", "calls.not_found"),
        ("/v1/calls/{call}/recording", "calls.recording_not_found"),
        ("/v1/calls/nonsense/recordings", "calls.not_found"),
        ("/v1/recordings/nonsense", "calls.recording_not_found"),
    ],
)
async def test_what_is_not_there_is_404(
    office: Office, client: httpx.AsyncClient, path: str, code: str
) -> None:
    answer = await client.get(path.format(call=office.call_id))
    assert (answer.status_code, answer.json()["error"]["code"]) == (404, code)


async def test_a_failed_recording_says_why(office: Office, client: httpx.AsyncClient) -> None:
    recording_id, path = await office.begin()
    path.unlink()
    await office.service.finish(recording_id, path)
    answer = await client.get(f"/v1/calls/{office.call_id}/recording")
    assert (answer.status_code, answer.json()["error"]["code"]) == (404, "calls.recording_failed")
    assert "file_missing" in answer.json()["error"]["message"]


async def test_a_deleted_recording_is_gone_with_its_file(office: Office, client: httpx.AsyncClient) -> None:
    older = await office.ready()
    await office.ready()
    path = f"/v1/calls/{office.call_id}/recording"
    assert (await client.delete(path)).status_code == 204
    assert (await client.delete(path)).status_code == 204
    answer = await client.get(path)
    assert (answer.status_code, answer.json()["error"]["code"]) == (410, "calls.recording_expired")
    assert [file.stem for file in office.objects()] == [str(older)]
    assert (await client.delete(f"/v1/recordings/{older}")).status_code == 204
    assert office.objects() == []
    assert (await client.get(f"/v1/recordings/{older}")).json()["recording"]["status"] == "deleted"


async def test_a_running_recording_is_not_deleted(office: Office, client: httpx.AsyncClient) -> None:
    recording_id, _ = await office.begin()
    answer = await client.delete(f"/v1/recordings/{recording_id}")
    assert (answer.status_code, answer.json()["error"]["code"]) == (409, "calls.recording_unfinished")


async def test_a_calls_recordings_are_listed_newest_first_in_pages(
    office: Office, client: httpx.AsyncClient
) -> None:
    made = [await office.ready(seconds=0.1) for _ in range(3)]
    path = f"/v1/calls/{office.call_id}/recordings?limit=2"
    first = (await client.get(path)).json()
    second = (await client.get(f"{path}&cursor={first['next_cursor']}")).json()
    listed = [recording["id"] for recording in first["data"] + second["data"]]
    assert listed == [str(recording_id) for recording_id in reversed(made)]
    assert second["next_cursor"] is None


async def test_one_recording_reads_as_the_contract_shows_it(
    office: Office, client: httpx.AsyncClient
) -> None:
    recording_id = await office.ready(seconds=1.2, channels=2)
    shown = (await client.get(f"/v1/recordings/{recording_id}")).json()["recording"]
    assert shown == {
        "id": str(recording_id),
        "call_id": str(office.call_id),
        "conference_id": None,
        "session_id": (await office.read(recording_id)).session_id,
        "mode": "test",
        "status": "ready",
        "channels": 2,
        "duration_seconds": 2,
        "size_bytes": 44 + 9600 * 4,
        "error": None,
        "created_at": "2026-11-23T09:00:00.000Z",
        "ready_at": "2026-11-23T09:00:00.000Z",
        "expires_at": "2027-02-21T09:00:00.000Z",
        "deleted_at": None,
    }


async def test_the_mp3_is_made_once_and_plays(office: Office, client: httpx.AsyncClient) -> None:
    await office.ready(seconds=2, channels=2)
    path = f"/v1/calls/{office.call_id}/recording?format=mp3"
    async with asyncio.timeout(30):
        while (answer := await client.get(path)).status_code == 202:
            assert answer.json() == {"status": "pending", "retry_after_seconds": 2}
    assert answer.status_code == 302
    media = await client.get(answer.headers["location"])
    assert media.headers["content-type"] == "audio/mpeg"
    (file,) = [path for path in office.objects() if path.suffix == ".mp3"]
    assert media.content == file.read_bytes()
    with av.open(str(file)) as played:
        sound = played.streams.audio[0]
        samples = sum(frame.samples for frame in played.decode(sound))
        assert (sound.rate, sound.channels) == (8000, 2)
    assert samples == pytest.approx(16_000, abs=2500)
    made_at = file.stat().st_mtime_ns
    assert (await client.get(path)).status_code == 302
    assert file.stat().st_mtime_ns == made_at


async def test_an_unknown_format_is_refused(office: Office, client: httpx.AsyncClient) -> None:
    answer = await client.get(f"/v1/calls/{office.call_id}/recording?format=ogg")
    assert answer.status_code == 422
    assert answer.json()["error"]["fields"][0]["pointer"] == "?format"


@pytest.mark.parametrize("command", ["pause", "resume", "stop"])
async def test_a_command_waits_for_the_node_that_records(
    office: Office, client: httpx.AsyncClient, command: str
) -> None:
    recording_id, _ = await office.begin()
    answer = await client.post(f"/v1/recordings/{recording_id}/{command}")
    assert (answer.status_code, answer.json()) == (
        202,
        {"recording_id": str(recording_id), "command": command},
    )
    async with office.database.connection() as connection:
        row = await connection.fetchrow("SELECT call_id, node_id, kind, payload, done_at FROM call_commands")
    assert dict(row) == {
        "call_id": office.call_id,
        "node_id": office.node_id,
        "kind": f"recording.{command}",
        "payload": {"recording_id": str(recording_id)},
        "done_at": None,
    }


async def test_a_finished_recording_takes_no_commands(office: Office, client: httpx.AsyncClient) -> None:
    recording_id = await office.ready()
    answer = await client.post(f"/v1/recordings/{recording_id}/pause")
    assert (answer.status_code, answer.json()["error"]["code"]) == (409, "calls.recording_not_running")


async def test_a_recording_that_is_being_stopped_takes_no_commands_but_that(
    office: Office, client: httpx.AsyncClient
) -> None:
    recording_id, _ = await office.begin()
    orders = ("stop", "pause", "resume", "stop")
    answers = [await client.post(f"/v1/recordings/{recording_id}/{order}") for order in orders]
    assert [answer.status_code for answer in answers] == [202, 409, 409, 202]
    assert "being stopped" in answers[1].json()["error"]["message"]


async def test_nothing_is_asked_of_a_node_that_is_silent_or_gone(
    office: Office, client: httpx.AsyncClient
) -> None:
    recording_id, _ = await office.begin()
    await office.execute("UPDATE voice_nodes SET renewed_at = $1", office.clock.now() - timedelta(seconds=13))
    silent = await client.post(f"/v1/recordings/{recording_id}/pause")
    await office.execute("UPDATE voice_nodes SET stopped_at = $1", office.clock.now())
    gone = await client.post(f"/v1/recordings/{recording_id}/pause")
    assert (silent.status_code, silent.json()["error"]["code"]) == (503, "calls.node_silent")
    assert (gone.status_code, gone.json()["error"]["code"]) == (409, "calls.recording_not_running")
    async with office.database.connection() as connection:
        assert await connection.fetchval("SELECT count(*) FROM call_commands") == 0


async def test_only_those_who_may_see_and_change_recordings(
    office: Office, keys: Keys, client: httpx.AsyncClient
) -> None:
    recording_id = await office.ready()
    stranger, _ = await office.add_workspace()
    keys.add("stranger", stranger, "*")
    keys.add("other number", office.workspace_id, "*", number_ids=frozenset({uuid7()}))
    keys.add("reader", office.workspace_id, "recordings.read")
    keys.add("caller", office.workspace_id, "calls.read", "calls.write")

    async def status(key: str, method: str, path: str) -> int:
        answer = await client.request(method, path, headers={"Authorization": f"Bearer {key}"})
        return answer.status_code

    recording, media = f"/v1/recordings/{recording_id}", f"/v1/calls/{office.call_id}/recording"
    for hidden in ("stranger", "other number"):
        assert await status(hidden, "GET", recording) == 404
        assert await status(hidden, "GET", media) == 404
        assert await status(hidden, "DELETE", recording) == 404
    assert await status("reader", "GET", media) == 302
    assert await status("reader", "DELETE", recording) == 403
    assert await status("caller", "GET", media) == 403
    assert await status("caller", "DELETE", recording) == 204


async def test_a_store_that_does_not_answer_is_told_as_such(
    office: Office, client: httpx.AsyncClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    await office.ready()
    link = (await client.get(f"/v1/calls/{office.call_id}/recording")).headers["location"]

    async def refuse(*_: Any, **__: Any) -> Any:
        raise obstore.exceptions.GenericError("the store is away")

    monkeypatch.setattr(obstore, "head_async", refuse)
    answer = await client.get(link)
    assert (answer.status_code, answer.headers["retry-after"]) == (503, "5")
    assert answer.json()["error"]["code"] == "recordings.storage_unavailable"


async def test_an_mp3_of_a_vanished_file_is_gone(office: Office, client: httpx.AsyncClient) -> None:
    await office.ready()
    for file in office.objects():
        file.unlink()
    answer = await client.get(f"/v1/calls/{office.call_id}/recording?format=mp3")
    assert (answer.status_code, answer.json()["error"]["code"]) == (410, "calls.recording_expired")
