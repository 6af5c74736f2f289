"""Prompts on disk, named by what they were made of; the ones used longest ago go first."""

import hashlib
import os
import tempfile
from pathlib import Path


class PromptCache:
    """Files of raw signed 16-bit little-endian mono samples at 8 kHz. Its methods touch the disk: call them in a thread."""

    def __init__(self, folder: Path, *, max_bytes: int = 1 << 30) -> None:
        self._folder = folder
        self._max_bytes = max_bytes
        folder.mkdir(parents=True, exist_ok=True, mode=0o700)

    @staticmethod
    def key(*parts: bytes) -> str:
        digest = hashlib.sha256()
        for part in parts:
            digest.update(len(part).to_bytes(8, "big") + part)
        return digest.hexdigest()

    def find(self, key: str) -> Path | None:
        """The file, marked as used now."""
        path = self._path(key)
        try:
            os.utime(path)
        except FileNotFoundError:
            return None
        return path

    def put(self, key: str, samples: bytes) -> Path:
        """Writes a file at once or not at all, and makes room."""
        path = self._path(key)
        with tempfile.NamedTemporaryFile(dir=self._folder, suffix=".part", delete=False) as file:
            file.write(samples)
        Path(file.name).replace(path)
        self._make_room(path)
        return path

    def _path(self, key: str) -> Path:
        return self._folder / f"{key}.pcm"

    def _make_room(self, keep: Path) -> None:
        files = sorted(
            (path.stat().st_mtime_ns, path.stat().st_size, path) for path in self._folder.glob("*.pcm")
        )
        total = sum(size for _, size, _ in files)
        for _, size, path in files:
            if total <= self._max_bytes:
                return
            if path != keep:
                path.unlink(missing_ok=True)
                total -= size
