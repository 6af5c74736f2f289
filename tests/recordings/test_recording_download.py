"""Downloads by our own links, over a real socket."""

from datetime import timedelta

import httpx

from recordings.office import Office, wav


async def path_of_link(office: Office) -> str:
    recording = await office.read(await office.ready(seconds=30, channels=2))
    link = await office.links.link(recording.object_key, office.clock.now(), timedelta(minutes=15))
    return link.url.removeprefix("http://api.test")


async def test_the_whole_file_comes_with_its_name_and_type(office: Office, wire: httpx.AsyncClient) -> None:
    answer = await wire.get(await path_of_link(office))
    assert answer.status_code == 200
    assert answer.content == wav(2, 30)
    assert answer.headers["content-type"] == "audio/wav"
    assert answer.headers["content-length"] == str(len(answer.content))
    assert answer.headers["accept-ranges"] == "bytes"
    assert answer.headers["content-disposition"].startswith('attachment; filename="')
    assert answer.headers["content-disposition"].endswith('.wav"')
    assert "transfer-encoding" not in answer.headers


async def test_a_part_comes_alone_and_can_be_continued(office: Office, wire: httpx.AsyncClient) -> None:
    path, whole = await path_of_link(office), wav(2, 30)
    part = await wire.get(path, headers={"Range": "bytes=100000-199999"})
    assert part.status_code == 206
    assert part.content == whole[100_000:200_000]
    assert part.headers["content-range"] == f"bytes 100000-199999/{len(whole)}"
    assert part.headers["content-length"] == "100000"
    rest = {"Range": "bytes=200000-", "If-Range": part.headers["etag"]}
    assert (await wire.get(path, headers=rest)).content == whole[200_000:]
    changed = await wire.get(path, headers=rest | {"If-Range": '"another version"'})
    assert (changed.status_code, len(changed.content)) == (200, len(whole))


async def test_a_part_beyond_the_end_is_refused(office: Office, wire: httpx.AsyncClient) -> None:
    answer = await wire.get(await path_of_link(office), headers={"Range": "bytes=99999999-"})
    assert answer.status_code == 416
    assert answer.headers["content-range"] == f"bytes */{len(wav(2, 30))}"
    assert answer.json()["error"]["code"] == "recordings.range_not_satisfiable"


async def test_head_tells_all_but_the_content(office: Office, wire: httpx.AsyncClient) -> None:
    answer = await wire.head(await path_of_link(office))
    assert (answer.status_code, answer.content) == (200, b"")
    assert answer.headers["content-length"] == str(len(wav(2, 30)))
    assert answer.headers["content-type"] == "audio/wav"


async def test_a_known_version_is_not_sent(office: Office, wire: httpx.AsyncClient) -> None:
    path = await path_of_link(office)
    etag = (await wire.head(path)).headers["etag"]
    answer = await wire.get(path, headers={"If-None-Match": etag})
    assert (answer.status_code, answer.content) == (304, b"")


async def test_a_link_ends_after_fifteen_minutes(office: Office, wire: httpx.AsyncClient) -> None:
    path = await path_of_link(office)
    office.clock.advance(15 * 60)
    answer = await wire.get(path)
    assert (answer.status_code, answer.json()["error"]["code"]) == (403, "recordings.link_expired")


async def test_a_changed_link_is_refused(office: Office, wire: httpx.AsyncClient) -> None:
    answer = await wire.get((await path_of_link(office))[:-4] + "AAAA")
    assert (answer.status_code, answer.json()["error"]["code"]) == (403, "recordings.link_invalid")


async def test_a_link_to_a_deleted_recording_says_that_it_is_gone(
    office: Office, wire: httpx.AsyncClient
) -> None:
    path = await path_of_link(office)
    for file in office.objects():
        file.unlink()
    answer = await wire.get(path)
    assert (answer.status_code, answer.json()["error"]["code"]) == (410, "calls.recording_expired")
