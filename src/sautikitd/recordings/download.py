"""The answer to a download: the file or the wanted part of it, streamed from the store."""

from collections.abc import Mapping
from email.utils import format_datetime

from sautikitd.http.endpoint import Answer
from sautikitd.recordings.ranges import not_modified, wanted
from sautikitd.recordings.store import MEDIA_TYPES, RecordingStore, disposition_of, format_of, store_answers


async def download(store: RecordingStore, object_key: str, headers: Mapping[str, str]) -> Answer:
    """200, 206 or 304; `headers` are the request's, by lower-case name.

    Raises `RecordingExpired` (410) when the object is gone, `RangeNotSatisfiable` (416), `StorageUnavailable` (503).
    """
    with store_answers():
        stored = await store.head(object_key)
    answered = {
        "ETag": stored.etag,
        "Last-Modified": format_datetime(stored.modified, usegmt=True),
        "Accept-Ranges": "bytes",
        "Content-Disposition": disposition_of(object_key),
        "Cache-Control": "private, no-cache",
    }
    if not_modified(headers, stored):
        return Answer(status=304, headers=answered)
    part = wanted(headers, stored)
    start, end = (part.start, part.end) if part else (0, stored.size)
    answered["Content-Length"] = str(end - start)
    if part:
        answered["Content-Range"] = f"bytes {start}-{end - 1}/{stored.size}"
    return Answer(
        status=206 if part else 200,
        headers=answered,
        stream=store.read(object_key, start, end),
        media_type=MEDIA_TYPES[format_of(object_key)],
    )
