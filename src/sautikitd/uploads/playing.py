"""Uploaded sound files as calls play them: out of the store once, then from memory."""

from collections import OrderedDict
from uuid import UUID

from sautikitd.database.pool import Database, DatabaseUnavailable
from sautikitd.events.models import Mode
from sautikitd.flow.port import PromptUnavailable
from sautikitd.recordings.store import RecordingStore, StoreUnavailable
from sautikitd.uploads import repository

_MOST_BYTES = 64 * 1024 * 1024


class UploadedSounds:
    """One for a voice node. Files never change, so that one which was read may be kept."""

    def __init__(self, database: Database, store: RecordingStore) -> None:
        self._database = database
        self._store = store
        self._kept: OrderedDict[UUID, bytes] = OrderedDict()

    async def read(self, upload_id: UUID, workspace_id: UUID, mode: Mode) -> bytes:
        """The file. Raises `PromptUnavailable`: also for one that is deleted, or another workspace's."""
        try:
            async with self._database.connection() as connection:
                upload = await repository.find(connection, upload_id, workspace_id, mode)
        except DatabaseUnavailable as error:
            raise PromptUnavailable("the uploaded file cannot be looked up right now") from error
        if upload is None:
            raise PromptUnavailable(f"there is no uploaded file {upload_id} in this workspace and mode")
        if upload_id not in self._kept:
            try:
                read = [part async for part in self._store.read(upload.object_key, 0, upload.size_bytes)]
            except StoreUnavailable as error:
                raise PromptUnavailable(
                    "the uploaded file cannot be read from the store right now"
                ) from error
            self._keep(upload_id, b"".join(read))
        self._kept.move_to_end(upload_id)
        return self._kept[upload_id]

    def _keep(self, upload_id: UUID, data: bytes) -> None:
        self._kept[upload_id] = data
        while len(self._kept) > 1 and sum(map(len, self._kept.values())) > _MOST_BYTES:
            self._kept.popitem(last=False)
