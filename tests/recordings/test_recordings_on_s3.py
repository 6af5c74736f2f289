"""Recordings in a bucket of a real S3 server: stored whole, linked to, read in parts, removed."""

from collections.abc import AsyncIterator, Iterator
from datetime import timedelta
from pathlib import Path

import httpx
import obstore
import pytest
from obstore.store import S3Store

from recordings.office import SIGNING_KEY, Office, wav
from recordings.swift_server import SwiftServer, missing, swift_server
from sautikitd.events.log import EventLog
from sautikitd.recordings.links import Links
from sautikitd.recordings.models import RecordingStatus
from sautikitd.recordings.retention import Retention
from sautikitd.recordings.service import RecordingService
from sautikitd.recordings.store import RecordingStore, open_store
from sautikitd.uploads.form import SentFile
from sautikitd.uploads.playing import UploadedSounds
from sautikitd.uploads.service import AudioUploads

pytestmark = pytest.mark.skipif(missing() is not None, reason=missing() or "")
MINUTE = timedelta(minutes=1)


@pytest.fixture(scope="module")
def swift(tmp_path_factory: pytest.TempPathFactory) -> Iterator[SwiftServer]:
    with swift_server(tmp_path_factory.mktemp("swift")) as server:
        bucket = S3Store(
            "recordings",
            endpoint=server.endpoint,
            access_key_id=server.access_key_id,
            secret_access_key=server.secret_access_key,
            region=server.region,
            client_options={"allow_http": True},
        )
        made = httpx.put(obstore.sign(bucket, "PUT", "", MINUTE), timeout=30)
        assert made.status_code == 200, made.text
        yield server


@pytest.fixture
def store(swift: SwiftServer, monkeypatch: pytest.MonkeyPatch) -> RecordingStore:
    """Opened as an operator opens it: `SAUTIKIT_RECORDINGS`, and the variables that every S3 tool knows."""
    monkeypatch.setenv("AWS_ENDPOINT_URL", swift.endpoint)
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", swift.access_key_id)
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", swift.secret_access_key)
    monkeypatch.setenv("AWS_REGION", swift.region)
    return open_store("s3://recordings/calls")


@pytest.fixture
def bucketed(office: Office, store: RecordingStore) -> Office:
    """The recording room with the bucket for its store."""
    office.store = store
    office.links = Links(store, signing_key=SIGNING_KEY, public_url="http://api.test")
    office.service = RecordingService(
        database=office.database,
        store=store,
        links=office.links,
        events=EventLog(),
        clock=office.clock,
        waker=office.waker,
    )
    office.retention = Retention(
        database=office.database, store=store, service=office.service, clock=office.clock
    )
    return office


@pytest.fixture
async def browser() -> AsyncIterator[httpx.AsyncClient]:
    """Holds no credential at all."""
    async with httpx.AsyncClient(trust_env=False, timeout=30) as browser:
        yield browser


async def test_a_recording_is_stored_and_downloaded_by_the_link_of_its_event(
    bucketed: Office, browser: httpx.AsyncClient
) -> None:
    content = wav(2, 1.0)
    recording_id, path = await bucketed.begin(channels=2, content=content)
    assert await bucketed.service.finish(recording_id, path, 1000) is RecordingStatus.READY
    assert not path.exists()
    ((kind, _, data),) = await bucketed.events()
    assert kind == "recording.ready"
    answer = await browser.get(str(data["download_url"]))
    assert (answer.status_code, answer.content) == (200, content)
    assert answer.headers["Content-Type"] == "audio/wav"
    assert f'filename="{recording_id}.wav"' in answer.headers["Content-Disposition"]


async def test_a_link_gives_the_part_that_is_asked_for(bucketed: Office, browser: httpx.AsyncClient) -> None:
    recording = await bucketed.read(await bucketed.ready(seconds=1.0))
    link = await bucketed.links.link(recording.object_key, bucketed.clock.now(), MINUTE)
    answer = await browser.get(link.url, headers={"Range": "bytes=44-143"})
    assert (answer.status_code, answer.content) == (206, wav(1, 1.0)[44:144])
    assert answer.headers["Content-Range"] == "bytes 44-143/16044"
    beyond = await browser.get(link.url, headers={"Range": "bytes=999999-"})
    assert beyond.status_code == 416


async def test_a_link_that_was_changed_opens_nothing(bucketed: Office, browser: httpx.AsyncClient) -> None:
    recording = await bucketed.read(await bucketed.ready())
    other = await bucketed.read(await bucketed.ready())
    link = await bucketed.links.link(recording.object_key, bucketed.clock.now(), MINUTE)
    changed = link.url.replace(str(recording.id), str(other.id))
    assert (await browser.get(changed)).status_code == 403
    unsigned = await browser.get(link.url.partition("?")[0])
    assert unsigned.status_code in (400, 401, 403)
    longer = link.url.replace("X-Amz-Expires=60", "X-Amz-Expires=600")
    assert longer != link.url
    assert (await browser.get(longer)).status_code == 403


async def test_a_long_recording_goes_up_in_several_parts_and_comes_back_whole(
    bucketed: Office, tmp_path: Path
) -> None:
    content = wav(2, 60) * 12  # 23 MB: twelve minutes in two channels
    recording_id, path = await bucketed.begin(channels=2, content=content)
    assert await bucketed.service.finish(recording_id, path, 720_000) is RecordingStatus.READY
    recording = await bucketed.read(recording_id)
    stored = await bucketed.store.head(recording.object_key)
    assert stored.size == recording.size_bytes == len(content)
    assert "-" in stored.etag  # S3's mark of an object that was sent in parts
    back = tmp_path / "back.wav"
    await bucketed.store.fetch(recording.object_key, back)
    assert back.read_bytes() == content
    middle = b"".join(
        [part async for part in bucketed.store.read(recording.object_key, 10_000_000, 10_000_100)]
    )
    assert middle == content[10_000_000:10_000_100]


async def test_a_deleted_recording_leaves_the_bucket(bucketed: Office, browser: httpx.AsyncClient) -> None:
    recording_id = await bucketed.ready()
    recording = await bucketed.read(recording_id)
    link = await bucketed.links.link(recording.object_key, bucketed.clock.now(), MINUTE)
    async with bucketed.database.transaction() as connection:
        await bucketed.service.delete(connection, recording_id)
    assert await bucketed.retention.purge(recording_id) == 1
    assert (await browser.get(link.url)).status_code == 404
    with pytest.raises(FileNotFoundError):
        await bucketed.store.head(recording.object_key)
    await bucketed.store.delete(recording.object_key)  # harmless to repeat


async def test_an_expired_recording_leaves_the_bucket(bucketed: Office) -> None:
    recording = await bucketed.read(await bucketed.ready())
    bucketed.clock.advance(timedelta(days=91).total_seconds())
    async with bucketed.database.transaction() as connection:
        assert await bucketed.retention.expire(connection, bucketed.clock.now()) == 1
    assert await bucketed.retention.purge() == 1
    with pytest.raises(FileNotFoundError):
        await bucketed.store.head(recording.object_key)


async def test_a_recording_waits_for_a_bucket_that_refuses_it(
    bucketed: Office, swift: SwiftServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    good = bucketed.service
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "wrong")
    refused = open_store("s3://recordings/calls")
    bucketed.service = RecordingService(
        database=bucketed.database,
        store=refused,
        links=Links(refused, signing_key=SIGNING_KEY, public_url="http://api.test"),
        events=EventLog(),
        clock=bucketed.clock,
        waker=bucketed.waker,
    )
    recording_id, path = await bucketed.begin()
    assert await bucketed.service.finish(recording_id, path, 500) is RecordingStatus.PROCESSING
    assert path.exists()
    assert await good.resume(bucketed.spool) == {recording_id: RecordingStatus.READY}


async def test_an_uploaded_prompt_is_kept_in_the_bucket_and_read_back(bucketed: Office) -> None:
    uploads = AudioUploads(bucketed.store, bucketed.database, bucketed.clock)
    async with bucketed.database.transaction() as connection:
        kept = await uploads.take(
            connection, bucketed.workspace_id, "test", SentFile(wav(1, 0.5), "karibu"), bucketed.clock.now()
        )
    sounds = UploadedSounds(bucketed.database, bucketed.store)
    assert await sounds.read(kept.id, bucketed.workspace_id, "test") == wav(1, 0.5)
    async with bucketed.database.transaction() as connection:
        await uploads.delete(connection, kept.id, bucketed.workspace_id, "test", bucketed.clock.now())
    await uploads.purge()
    with pytest.raises(FileNotFoundError):
        await bucketed.store.head(kept.object_key)


async def test_what_is_stored_says_what_it_is(bucketed: Office, tmp_path: Path) -> None:
    file = tmp_path / "sound"
    file.write_bytes(b"OggS")
    for name, kind in (("a.ogg", "audio/ogg"), ("a.mp3", "audio/mpeg"), ("a.wav", "audio/wav")):
        await bucketed.store.put(name, file)
        async with httpx.AsyncClient(trust_env=False) as browser:
            answer = await browser.get(await bucketed.store.sign(name, MINUTE))
        assert answer.headers["Content-Type"] == kind
