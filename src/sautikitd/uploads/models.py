"""Uploaded sound files: what is stored of one and what is shown of it."""

from datetime import datetime
from typing import Annotated, Literal
from uuid import UUID

import msgspec

from sautikitd.events.models import Mode
from sautikitd.flow.uploaded import uploaded_url
from sautikitd.timestamps import rfc3339

SoundFormat = Literal["wav", "mp3", "ogg"]


class StoredUpload(msgspec.Struct, frozen=True, kw_only=True):
    """A row. `sha256` in hex, of the file as it came."""

    id: UUID
    workspace_id: UUID
    mode: Mode
    name: str
    format: SoundFormat
    size_bytes: int
    duration_ms: int
    sha256: str
    object_key: str
    created_at: datetime


class AudioUpload(msgspec.Struct, frozen=True, kw_only=True):
    """An uploaded sound file. Play it by its `url`."""

    id: UUID
    name: Annotated[str, msgspec.Meta(description="As the file was called, for your own use.")]
    format: Annotated[SoundFormat, msgspec.Meta(description="What the file is, by its own first bytes.")]
    size_bytes: int
    duration_seconds: Annotated[int, msgspec.Meta(description="How long it plays, rounded up.")]
    sha256: Annotated[str, msgspec.Meta(description="Of the file as it came, in hex.")]
    url: Annotated[
        str,
        msgspec.Meta(
            description="For `play.url`, and wherever else a flow names a sound; it works in your calls alone."
        ),
    ]
    created_at: str


def shown_as(stored: StoredUpload) -> AudioUpload:
    return AudioUpload(
        id=stored.id,
        name=stored.name,
        format=stored.format,
        size_bytes=stored.size_bytes,
        duration_seconds=-(-stored.duration_ms // 1000),
        sha256=stored.sha256,
        url=uploaded_url(stored.id),
        created_at=rfc3339(stored.created_at),
    )
