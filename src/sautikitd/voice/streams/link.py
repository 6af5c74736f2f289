"""The stream process's end of the datagram socket to the media process; see `voice.media.forks.forks.link`."""

import asyncio
import os
import socket
from collections import deque
from collections.abc import Callable
from pathlib import Path
from typing import Protocol

from sautikitd.voice.media.forks import link as fork_link
from sautikitd.voice.media.forks.link import LARGEST_DATAGRAM, Kind
from sautikitd.voice.media.sounding.playout import LONGEST_QUEUE_S

_MOST_QUEUED = LONGEST_QUEUE_S * 16_000  # bytes
_BACKLOG = 1024
_MOST_AT_ONCE = 64


class Far(Protocol):
    """Who takes what comes over a link."""

    def on_datagram(self, kind: int, datagram: bytes) -> None: ...

    def on_link_end(self) -> None: ...


class Link:
    """Attached to one stream. Nothing here waits: what the media process does not take at once is queued, bounded."""

    def __init__(self, connected: socket.socket, far: Far) -> None:
        self._socket = connected
        self._far = far
        self._queue: deque[bytes] = deque()
        self._queued = 0
        self._loop = asyncio.get_running_loop()
        self._open = True
        self.refused = 0
        """Bytes of audio that found no room."""
        self._loop.add_reader(connected.fileno(), self._read)

    def play(self, audio: bytes) -> None:
        for start in range(0, len(audio), LARGEST_DATAGRAM - 2):
            piece = audio[start : start + LARGEST_DATAGRAM - 2]
            if self._queued + len(piece) > _MOST_QUEUED:
                self.refused += len(audio) - start
                return
            self._send(fork_link.pack(Kind.AUDIO, piece))

    def mark(self, name: str) -> None:
        self._send(fork_link.pack(Kind.MARK, name.encode()))

    def clear(self) -> list[str]:
        """Overtakes what is queued here; the marks among it, which the media process never saw."""
        marks = [item[1:].decode() for item in self._queue if item[0] == Kind.MARK]
        self._queue.clear()
        self._queued = 0
        self._send(fork_link.pack(Kind.CLEAR))
        return marks

    def close(self) -> None:
        if self._open:
            self._open = False
            self._loop.remove_reader(self._socket.fileno())
            self._loop.remove_writer(self._socket.fileno())
            self._socket.close()

    def _send(self, datagram: bytes) -> None:
        if not self._open:
            return
        if not self._queue and self._sent(datagram):
            return
        if not self._queue:
            self._loop.add_writer(self._socket.fileno(), self._drain)
        self._queue.append(datagram)
        self._queued += len(datagram)

    def _drain(self) -> None:
        while self._queue:
            if not self._sent(self._queue[0]):
                return
            self._queued -= len(self._queue.popleft())
        self._loop.remove_writer(self._socket.fileno())

    def _sent(self, datagram: bytes) -> bool:
        try:
            self._socket.send(datagram)
        except BlockingIOError:
            return False
        except OSError:  # the media process closed it: the reader hears of that
            return True
        return True

    def _read(self) -> None:
        for _ in range(_MOST_AT_ONCE):
            try:
                datagram = self._socket.recv(LARGEST_DATAGRAM + 1)
            except BlockingIOError:
                return
            except OSError:
                datagram = b""
            if not datagram:
                self.close()
                self._far.on_link_end()
                return
            self._far.on_datagram(datagram[0], datagram)
            if not self._open:
                return


class Listener:
    """Takes the media process's connections at `path`, the only thing in its folder; `attach` gives one to the stream
    that its first datagram names, and says whether there is one."""

    def __init__(self, path: Path, attach: Callable[[str, socket.socket], bool]) -> None:
        self._attach = attach
        self._path = path
        self._loop = asyncio.get_running_loop()
        self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        self._socket.setblocking(False)
        self._socket.bind(os.fspath(path))
        self._socket.listen(_BACKLOG)
        self._loop.add_reader(self._socket.fileno(), self._accept)

    def close(self) -> None:
        """Takes the socket and its folder away."""
        self._loop.remove_reader(self._socket.fileno())
        self._socket.close()
        self._path.unlink(missing_ok=True)
        self._path.parent.rmdir()

    def _accept(self) -> None:
        try:
            connected, _ = self._socket.accept()
        except BlockingIOError:
            return
        connected.setblocking(False)
        self._loop.add_reader(connected.fileno(), self._greet, connected)

    def _greet(self, connected: socket.socket) -> None:
        self._loop.remove_reader(connected.fileno())
        try:
            hello = connected.recv(LARGEST_DATAGRAM)
        except OSError:
            hello = b""
        if not self._attach(hello.decode(errors="replace"), connected):
            connected.close()
