"""Handing out a recording's audio: a link to it, or word of when to ask again (contract §4.5)."""

from typing import Annotated, Any, Literal

import msgspec

from sautikitd.http.endpoint import Answer, ApiRequest
from sautikitd.recordings.errors import RecordingExpired, RecordingFailed
from sautikitd.recordings.links import Link, Links
from sautikitd.recordings.models import GONE, Format, RecordingPolicy, RecordingStatus, StoredRecording
from sautikitd.recordings.mp3 import Mp3Maker
from sautikitd.recordings.store import mp3_key, store_answers
from sautikitd.timestamps import rfc3339

_MP3_PATIENCE_S = 2.0
_RECORDING = 5  # seconds to wait before asking again
_PROCESSING = 1
_ENCODING = 2


class MediaQuery(msgspec.Struct, forbid_unknown_fields=True):
    format: Annotated[Format, msgspec.Meta(description="What the sound is sent as.")] = Format.WAV


class DownloadLink(msgspec.Struct):
    """Good without a key until `expires_at`."""

    url: str
    expires_at: str


class Pending(msgspec.Struct):
    """Not there yet: ask again after so many seconds (also in Retry-After)."""

    retry_after_seconds: int
    status: Literal["pending"] = "pending"


class Media:
    def __init__(self, links: Links, mp3: Mp3Maker, policy: RecordingPolicy) -> None:
        self._links = links
        self._mp3 = mp3
        self._policy = policy

    async def answer(self, recording: StoredRecording, request: ApiRequest[Any, MediaQuery]) -> Answer:
        """302 to a link, 200 with it when `Accept` names JSON alone, 202 while there is none yet.

        Raises `RecordingExpired` (410), `RecordingFailed` (404) or `StorageUnavailable` (503).
        """
        wait = _seconds_to_wait(recording)
        with store_answers():
            if not wait and request.query.format is Format.MP3:
                wait = 0 if await self._mp3.ready_within(recording, _MP3_PATIENCE_S) else _ENCODING
            if wait:
                return Answer(status=202, body=Pending(wait), headers={"Retry-After": str(wait)})
            link = await self._link(recording, request)
        if _wants_json(request.headers.get("accept", "")):
            return Answer(body=DownloadLink(link.url, rfc3339(link.expires_at)), secret=True)
        return Answer(status=302, headers={"Location": link.url}, secret=True)

    async def _link(self, recording: StoredRecording, request: ApiRequest[Any, MediaQuery]) -> Link:
        key = recording.object_key if request.query.format is Format.WAV else mp3_key(recording.object_key)
        return await self._links.link(key, request.real_now, self._policy.link_lifetime)


def _seconds_to_wait(recording: StoredRecording) -> int:
    """0 when it can be downloaded. Raises when it never will be."""
    if recording.status in GONE:
        raise RecordingExpired
    if recording.status is RecordingStatus.FAILED:
        raise RecordingFailed(reason=recording.error)
    if recording.status is RecordingStatus.RECORDING:
        return _RECORDING
    return _PROCESSING if recording.status is RecordingStatus.PROCESSING else 0


def _wants_json(accept: str) -> bool:
    """Whether every media type of an Accept header is JSON."""
    kinds = {part.partition(";")[0].strip().lower() for part in accept.split(",")}
    return kinds == {"application/json"}
