from datetime import timedelta

import pytest

from recordings.office import SIGNING_KEY, Office
from sautikitd.clock import ManualClock
from sautikitd.recordings.errors import LinkExpired, LinkInvalid
from sautikitd.recordings.links import Links
from sautikitd.recordings.store import RecordingStore, open_store

NOW = ManualClock().now()
KEY = "w/test/2026/11/23/r.wav"


def links(signing_key: bytes = SIGNING_KEY) -> Links:
    return Links(store(), signing_key=signing_key, public_url="http://api.test/")


def store() -> RecordingStore:
    return open_store("memory:///")


async def test_a_link_leads_to_its_object_until_the_second_it_ends() -> None:
    link = await links().link(KEY, NOW, timedelta(minutes=15))
    prefix, _, token = link.url.rpartition("/")
    assert prefix == "http://api.test/v1/recordings/download"
    assert links().object_key(token, NOW + timedelta(minutes=14, seconds=59)) == KEY
    with pytest.raises(LinkExpired):
        links().object_key(token, link.expires_at)


def test_a_token_changed_in_any_character_is_refused() -> None:
    token = links().token(KEY, NOW + timedelta(minutes=15))
    for at, character in enumerate(token):
        changed = token[:at] + ("A" if character != "A" else "B") + token[at + 1 :]
        with pytest.raises(LinkInvalid):
            links().object_key(changed, NOW)


@pytest.mark.parametrize("token", ["", "x", "é", "AAAA", "A" * 43, "A" * 54, "A" * 200, "../../etc/passwd"])
def test_what_is_no_token_is_refused(token: str) -> None:
    with pytest.raises(LinkInvalid):
        links().object_key(token, NOW)


def test_a_token_of_another_key_is_refused() -> None:
    token = links(bytes(32)).token(KEY, NOW + timedelta(minutes=15))
    with pytest.raises(LinkInvalid):
        links().object_key(token, NOW)


def test_a_short_signing_key_is_refused() -> None:
    with pytest.raises(ValueError, match="32 bytes"):
        links(b"short")


async def test_a_bucket_signs_for_itself() -> None:
    options = {"region": "eu-west-1", "access_key_id": "AKIA", "secret_access_key": "hidden"}
    bucket = open_store("s3://talks/prefix", options)
    link = await Links(bucket, signing_key=SIGNING_KEY, public_url="http://api.test").link(
        KEY, NOW, timedelta(minutes=15)
    )
    assert link.url.startswith("https://s3.eu-west-1.amazonaws.com/talks/prefix/w/test/")
    assert "X-Amz-Expires=900" in link.url
    assert "hidden" not in link.url


async def test_an_event_carries_a_link_that_is_good_for_an_hour(office: Office) -> None:
    await office.ready()
    url = str((await office.events())[0][2]["download_url"])
    token = url.rpartition("/")[2]
    assert office.links.object_key(token, office.clock.now() + timedelta(minutes=59))
    with pytest.raises(LinkExpired):
        office.links.object_key(token, office.clock.now() + timedelta(minutes=60))


def test_a_url_of_no_store_is_refused() -> None:
    with pytest.raises(ValueError, match="not a store"):
        open_store("bogus://x")
