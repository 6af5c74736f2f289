"""The folder where voice nodes of one machine write recordings until these are in the store."""

import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from uuid import UUID, uuid4

_IDENTITY = ".spool-id"


class FileBusy(Exception):
    """Another process or task is finishing this very file."""


class FileMissing(Exception):
    """There is no such file. Not a `FileNotFoundError`, which a database without its socket raises as well."""


class Spool:
    """One folder, known by an id of its own, so that it is recognised under any host name or mount."""

    def __init__(self, folder: Path, identity: UUID) -> None:
        self.folder = folder
        self.id = identity

    @classmethod
    def open(cls, folder: Path) -> "Spool":
        """Opens the folder, making it (0700) and its identity when they are missing. Safe from several processes at once."""
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        identity = folder / _IDENTITY
        if not identity.exists():
            mine = folder / f"{_IDENTITY}.{uuid4()}"
            mine.write_text(str(uuid4()))
            with suppress(FileExistsError):
                os.link(mine, identity)
            mine.unlink()
        return cls(folder, UUID(identity.read_text().strip()))

    def path_of(self, recording_id: UUID) -> Path:
        return self.folder / f"{recording_id}.wav"

    def recordings(self) -> Iterator[UUID]:
        """Of the files that lie here."""
        for file in self.folder.glob("*.wav"):
            with suppress(ValueError):
                yield UUID(file.stem)


def discard(file: Path) -> None:
    """Removes a file that is in the store, or of no use; one that is gone is gone."""
    file.unlink(missing_ok=True)


@contextmanager
def held(file: Path) -> Iterator[None]:
    """Keeps everybody else from finishing the file. The kernel lets go of it when this process dies.

    Raises `FileMissing` where there is none and `FileBusy` when another holds it.
    """
    try:
        descriptor = os.open(file, os.O_RDONLY)
    except FileNotFoundError as exc:
        raise FileMissing(file.name) from exc
    try:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as exc:
            raise FileBusy(file.name) from exc
        yield
    finally:
        os.close(descriptor)
