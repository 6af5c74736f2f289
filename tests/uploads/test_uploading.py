"""Sound files are checked once, kept as they came, and played by their workspace alone."""

import asyncio
import hashlib
from uuid import UUID

import httpx
import pytest

from recordings.office import Keys, Office
from sautikitd.flow.port import PromptUnavailable
from sautikitd.flow.uploaded import upload_id_of
from sautikitd.identity.principal import Scope
from sautikitd.uploads.playing import UploadedSounds
from sautikitd.uploads.service import AudioUploads
from uploads.conftest import wav

PATH = "/v1/uploads/audio"


async def test_a_file_as_the_body_is_taken_and_described(client: httpx.AsyncClient, office: Office) -> None:
    data = wav(1.5)
    answer = await client.post(
        PATH, content=data, params={"name": "Karibu"}, headers={"Content-Type": "audio/wav"}
    )
    assert answer.status_code == 201, answer.text
    upload = answer.json()["upload"]
    assert upload | {"id": "", "url": "", "created_at": ""} == {
        "id": "",
        "name": "Karibu",
        "format": "wav",
        "size_bytes": len(data),
        "duration_seconds": 2,
        "sha256": hashlib.sha256(data).hexdigest(),
        "url": "",
        "created_at": "",
    }
    assert answer.headers["Location"] == f"{PATH}/{upload['id']}"
    assert upload_id_of(upload["url"]) == UUID(upload["id"])
    assert [path.read_bytes() for path in office.objects()] == [data]


async def test_a_file_in_a_form_keeps_its_name(client: httpx.AsyncClient) -> None:
    answer = await client.post(PATH, files={"file": ("C:\\sounds\\karibu.wav", wav(0.5), "audio/wav")})
    assert answer.status_code == 201, answer.text
    assert answer.json()["upload"]["name"] == "karibu.wav"


async def test_a_large_file_is_taken(client: httpx.AsyncClient) -> None:
    raw = {"Content-Type": "application/octet-stream"}
    taken = await client.post(PATH, content=wav(11 * 60), headers=raw, timeout=60)
    assert taken.status_code == 201


async def test_a_file_beyond_the_limit_is_refused_before_it_is_sent(client: httpx.AsyncClient) -> None:
    reader, writer = await asyncio.open_connection("127.0.0.1", client.base_url.port)
    head = f"POST {PATH} HTTP/1.1\r\nHost: api.test\r\nAuthorization: Bearer all\r\nContent-Length: 22020096\r\n\r\n"
    writer.write(head.encode())
    answer = await reader.read(4096)
    writer.close()
    await writer.wait_closed()
    assert answer.startswith(b"HTTP/1.1 413")


@pytest.mark.parametrize(
    ("content", "content_type", "status", "code"),
    [
        (b"", "audio/wav", 422, "uploads.unreadable"),
        (b"#EXTM3U\nhttp://127.0.0.1/x", "audio/mpeg", 422, "uploads.unreadable"),
        (b"RIFF\0\0\0\0WAVEgarbage", "audio/wav", 422, "uploads.unreadable"),
        (b"{}", "application/json", 415, "uploads.unsupported_media_type"),
        (b"x", "multipart/form-data", 400, "uploads.form_invalid"),
        (b"--a\r\nnonsense", "multipart/form-data; boundary=a", 400, "uploads.form_invalid"),
        (
            b'--a\r\nContent-Disposition: form-data; name="other"\r\n\r\nx\r\n--a--\r\n',
            "multipart/form-data; boundary=a",
            400,
            "uploads.form_invalid",
        ),
    ],
)
async def test_what_is_no_sound_is_refused_by_its_kind(
    client: httpx.AsyncClient, office: Office, content: bytes, content_type: str, status: int, code: str
) -> None:
    answer = await client.post(PATH, content=content, headers={"Content-Type": content_type})
    assert (answer.status_code, answer.json()["error"]["code"]) == (status, code)
    assert office.objects() == []


async def test_a_repeated_request_keeps_one_file(client: httpx.AsyncClient, office: Office) -> None:
    headers = {"Content-Type": "audio/wav", "Idempotency-Key": "once"}
    first = await client.post(PATH, content=wav(0.5), headers=headers)
    again = await client.post(PATH, content=wav(0.5), headers=headers)
    assert first.json() == again.json()
    assert again.headers["Idempotent-Replay"] == "true"
    assert len(office.objects()) == 1
    other = await client.post(PATH, content=wav(0.6), headers=headers)
    assert other.status_code == 409


async def upload_of(client: httpx.AsyncClient) -> str:
    answer = await client.post(PATH, content=wav(0.5), headers={"Content-Type": "audio/wav"})
    upload_id: str = answer.json()["upload"]["id"]
    return upload_id


async def test_files_are_listed_read_and_deleted(
    client: httpx.AsyncClient, office: Office, uploads: AudioUploads
) -> None:
    older, newer = await upload_of(client), await upload_of(client)
    listed = (await client.get(PATH, params={"limit": 1})).json()
    assert [one["id"] for one in listed["data"]] == [newer]
    rest = (await client.get(PATH, params={"cursor": listed["next_cursor"]})).json()
    assert [one["id"] for one in rest["data"]] == [older]
    assert (await client.get(f"{PATH}/{older}")).json()["upload"]["id"] == older
    assert (await client.delete(f"{PATH}/{older}")).status_code == 204
    assert (await client.get(f"{PATH}/{older}")).status_code == 404
    assert (await client.delete(f"{PATH}/{older}")).status_code == 404
    await uploads.purge()
    assert len(office.objects()) == 1


async def test_nobody_else_sees_or_plays_it(client: httpx.AsyncClient, office: Office, keys: Keys) -> None:
    upload_id = await upload_of(client)
    stranger, _ = await office.add_workspace()
    keys.add("stranger", stranger, Scope.ALL)
    keys.add("reader", office.workspace_id, Scope.CALLS_READ)
    theirs = {"Authorization": "Bearer stranger"}
    assert (await client.get(f"{PATH}/{upload_id}", headers=theirs)).status_code == 404
    assert (await client.get(PATH, headers=theirs)).json()["data"] == []
    readers = {"Authorization": "Bearer reader"}
    assert (await client.delete(f"{PATH}/{upload_id}", headers=readers)).status_code == 403
    sounds = UploadedSounds(office.database, office.store)
    assert await sounds.read(UUID(upload_id), office.workspace_id, "test") == wav(0.5)
    for workspace, mode in ((stranger, "test"), (office.workspace_id, "live")):
        with pytest.raises(PromptUnavailable, match="no uploaded file"):
            await sounds.read(UUID(upload_id), workspace, mode)  # type: ignore[arg-type]


async def test_a_deleted_file_is_not_played_from_memory(client: httpx.AsyncClient, office: Office) -> None:
    upload_id = await upload_of(client)
    sounds = UploadedSounds(office.database, office.store)
    await sounds.read(UUID(upload_id), office.workspace_id, "test")
    await client.delete(f"{PATH}/{upload_id}")
    with pytest.raises(PromptUnavailable):
        await sounds.read(UUID(upload_id), office.workspace_id, "test")
