"""The data folder belongs to one supervisor at a time: a lock the kernel lets go of when its holder dies."""

import fcntl
import os
from pathlib import Path


class FolderTaken(Exception):
    """Another copy of sautikitd runs with this data folder."""

    def __init__(self, folder: Path, pid: str) -> None:
        who = f" (process {pid})" if pid else ""
        super().__init__(
            f"Another sautikitd{who} is using the data folder {folder}. Stop that one first, "
            "or give this one a folder and ports of its own: "
            "--data-dir, --http and --sip (SAUTIKIT_DATA_DIR, SAUTIKIT_HTTP, SAUTIKIT_SIP)."
        )


class FolderLock:
    """Held from `take` to `release`, or to the end of the process. The file names the holder."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._file = folder / "sautikitd.pid"
        self._descriptor: int | None = None

    def take(self) -> None:
        """Raises `FolderTaken` when another process holds it."""
        self.folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        descriptor = os.open(self._file, os.O_RDWR | os.O_CREAT, 0o600)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            holder = os.read(descriptor, 32).decode(errors="replace").strip()
            os.close(descriptor)
            raise FolderTaken(self.folder, holder) from None
        os.ftruncate(descriptor, 0)
        os.write(descriptor, f"{os.getpid()}\n".encode())
        self._descriptor = descriptor

    def is_held(self) -> bool:
        """Whether another process holds it now. Looking changes nothing."""
        try:
            descriptor = os.open(self._file, os.O_RDONLY)
        except FileNotFoundError:
            return False
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return True
        finally:
            os.close(descriptor)
        return False

    def release(self) -> None:
        if self._descriptor is not None:
            os.ftruncate(self._descriptor, 0)
            os.close(self._descriptor)
            self._descriptor = None
