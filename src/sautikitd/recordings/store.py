"""Where finished recordings lie: a folder of this machine, or a bucket of S3, Google or Azure."""

import asyncio
import os
from collections.abc import AsyncIterator, Iterator, Mapping
from contextlib import contextmanager, suppress
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import msgspec
import obstore
from obstore.exceptions import BaseError
from obstore.store import AzureStore, GCSStore, LocalStore, S3Store, from_url

from sautikitd.recordings.errors import RecordingExpired, StorageUnavailable
from sautikitd.recordings.models import Format

StoreUnavailable = (BaseError, OSError)
"""What a store that does not answer, or a disk that is full, looks like. All of these may be tried again."""

MEDIA_TYPES = {Format.WAV: "audio/wav", Format.MP3: "audio/mpeg"}
_MEDIA_TYPE_OF = {**{form.value: media_type for form, media_type in MEDIA_TYPES.items()}, "ogg": "audio/ogg"}

_RETRY = {"max_retries": 2, "retry_timeout": timedelta(seconds=20)}
_CHUNK = 64 * 1024
_ENDPOINTS = ("AWS_ENDPOINT_URL_S3", "AWS_ENDPOINT_URL", "AWS_ENDPOINT")  # an operator's own S3 server


class StoredObject(msgspec.Struct, frozen=True):
    """`etag` is quoted, as HTTP writes it."""

    size: int
    etag: str
    modified: datetime


class RecordingStore:
    """Objects by key. Nothing is ever held in memory whole. Every method raises one of `StoreUnavailable`."""

    def __init__(self, store: Any) -> None:
        """`store` is any obstore store; see `open_store`."""
        self._store = store

    async def put(self, key: str, file: Path) -> int:
        """Copies a file into the store, replacing what lies there; returns its size in bytes."""
        attributes: Any = None
        if not isinstance(self._store, LocalStore):
            attributes = {
                "Content-Type": _MEDIA_TYPE_OF.get(key.rpartition(".")[2], "application/octet-stream"),
                "Content-Disposition": disposition_of(key),
            }
        size = await asyncio.to_thread(os.path.getsize, file)
        await obstore.put_async(self._store, key, file, attributes=attributes)
        if (stored := self._local_file(key)) is not None:
            await asyncio.to_thread(_sync, stored)
        return size

    async def fetch(self, key: str, target: Path) -> None:
        """Copies an object into a file. Raises `FileNotFoundError` where there is none."""
        result = await obstore.get_async(self._store, key)
        with target.open("wb") as file:
            async for chunk in result.stream(min_chunk_size=_CHUNK * 16):
                await asyncio.to_thread(file.write, chunk)

    async def head(self, key: str) -> StoredObject:
        """Raises `FileNotFoundError` where there is none."""
        meta = await obstore.head_async(self._store, key)
        etag = meta["e_tag"] or f"{meta['size']:x}-{meta['last_modified'].timestamp()}"
        return StoredObject(
            meta["size"], etag if etag.startswith('"') else f'"{etag}"', meta["last_modified"]
        )

    async def read(self, key: str, start: int, end: int) -> AsyncIterator[bytes]:
        """The bytes from `start` up to, not including, `end`."""
        if start == end:
            return
        result = await obstore.get_async(self._store, key, options={"range": (start, end)})
        async for chunk in result.stream(min_chunk_size=_CHUNK):
            yield bytes(chunk)

    async def delete(self, key: str) -> None:
        """Removes an object; one that is not there is removed already."""
        with suppress(FileNotFoundError):
            await obstore.delete_async(self._store, key)
        if (file := self._local_file(key)) is not None:
            await asyncio.to_thread(_remove_stages, file)

    def _local_file(self, key: str) -> Path | None:
        if isinstance(self._store, LocalStore) and self._store.prefix is not None:
            return Path(self._store.prefix) / key
        return None

    @property
    def signs(self) -> bool:
        """Whether the store itself can make download links."""
        return isinstance(self._store, S3Store | GCSStore | AzureStore)

    async def sign(self, key: str, lifetime: timedelta) -> str:
        return await obstore.sign_async(self._store, "GET", key, lifetime)


def open_store(url: str, options: Mapping[str, str] | None = None) -> RecordingStore:
    """A store by URL: `file:///folder` (made when missing), `s3://bucket/prefix`, `gs://…`, `az://…`.

    `options` are obstore's: for S3 `endpoint`, `region`, `access_key_id`, `secret_access_key`,
    `virtual_hosted_style_request`; those not given come from the store's usual environment variables.
    Raises ValueError for a URL that is none of these.
    """
    if url.startswith("file://"):
        folder = Path(url.removeprefix("file://"))
        if not folder.is_absolute():
            raise ValueError(f"{url}: give the folder as file:///absolute/path")
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        return RecordingStore(LocalStore(folder))
    given: Any = dict(options or {})
    endpoint = given.get("endpoint") or next(filter(None, map(os.environ.get, _ENDPOINTS)), "")
    plain_http: Any = {"allow_http": endpoint.startswith("http://"), "timeout": "120s"}
    retry: Any = _RETRY
    try:
        return RecordingStore(from_url(url, config=given, client_options=plain_http, retry_config=retry))
    except BaseError as exc:
        raise ValueError(f"{url} is not a store for recordings: {exc}") from exc


@contextmanager
def store_answers() -> Iterator[None]:
    """For addresses of the API: a missing object is a `RecordingExpired`, a silent store a `StorageUnavailable`."""
    try:
        yield
    except FileNotFoundError as exc:
        raise RecordingExpired from exc
    except StoreUnavailable as exc:
        raise StorageUnavailable from exc


def format_of(key: str) -> Format:
    return Format(key.rpartition(".")[2])


def mp3_key(wav_key: str) -> str:
    """The key of the MP3 beside a WAV."""
    return wav_key.removesuffix(".wav") + ".mp3"


def disposition_of(key: str) -> str:
    return f'attachment; filename="{key.rpartition("/")[2]}"'


def _remove_stages(file: Path) -> None:
    """While it writes NAME, a local store keeps the bytes in NAME#1 (or #2, …); a killed process leaves that behind."""
    for stage in file.parent.glob(f"{file.name}#*"):
        stage.unlink(missing_ok=True)


def _sync(file: Path) -> None:
    """A file must survive a power cut before its source is removed."""
    for path in (file, file.parent):
        descriptor = os.open(path, os.O_RDONLY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)
