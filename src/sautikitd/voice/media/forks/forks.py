"""Forks: a leg's audio to the stream process as it is heard and said, and audio from there into the leg.

All of it happens within the tick, and nothing in it waits: a stream process that does not read costs its stream
frames, which are counted, and nobody anything else.
"""

import contextlib
import socket

import numpy as np

from sautikitd.voice.media.forks import link as fork_link
from sautikitd.voice.media.forks.link import Kind
from sautikitd.voice.media.g711 import FRAME_SAMPLES
from sautikitd.voice.media.leg import Leg
from sautikitd.voice.media.protocol import StartFork
from sautikitd.voice.media.rows import Rows
from sautikitd.voice.media.sounding.playout import Playout, samples_of

_SEND_BUFFER = 32 * 1024  # about a second and a half of frames, as the kernel counts
_MOST_IN_A_TICK = 64  # datagrams read of one stream


class CannotFork(Exception):
    """The stream process is not there, or the stream runs already; the message says which."""


class Fork:
    """One stream of one leg."""

    def __init__(self, leg: Leg, order: StartFork) -> None:
        self.leg = leg
        self.stream_id = order.stream_id
        self._heard, self._said = order.heard, order.said
        self._playout = Playout()
        self._missed = 0
        self._frame = np.zeros(FRAME_SAMPLES, np.int16)
        self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        try:
            self._socket.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, _SEND_BUFFER)
            self._socket.setblocking(False)
            self._socket.connect(order.path)
            self._socket.send(order.stream_id.encode())
        except OSError as error:
            self._socket.close()
            raise CannotFork(f"the stream process cannot be reached: {error.strerror}") from error

    def take(self) -> bool:
        """Takes in what came since the last tick; False at the end of the connection."""
        for _ in range(_MOST_IN_A_TICK):
            try:
                datagram = self._socket.recv(fork_link.LARGEST_DATAGRAM + 1)
            except BlockingIOError:
                return True
            except OSError:  # the stream process died
                return False
            if not datagram:
                return False
            self._obey(datagram[0], datagram[1:])
        return True

    def speak(self, rows: Rows) -> None:
        """Adds this tick's part of the audio to be played to what the leg is told anyway."""
        if self.leg.remote is None:
            return
        filled, reached = self._playout.read(self._frame)
        if filled:
            said = rows.said[self.leg.row]
            np.clip(self._frame.astype(np.int32) + said, -32768, 32767, out=said, casting="unsafe")
        for mark in reached:
            self._send(fork_link.pack(Kind.PLAYED, mark.encode()))

    def tell(self, rows: Rows) -> None:
        """Sends this tick's frame."""
        row = self.leg.row
        frame = fork_link.pack_frame(
            rows.heard[row].astype("<i2").tobytes() if self._heard else b"",
            rows.said[row].astype("<i2").tobytes() if self._said else b"",
            self._missed,
            self._playout.overflowed,
        )
        if not self._send(frame):
            self._missed += 1

    def close(self) -> None:
        self._socket.close()

    def _obey(self, kind: int, content: bytes) -> None:
        match kind:
            case Kind.AUDIO:
                self._playout.put(samples_of(content))
            case Kind.MARK:
                self._playout.mark(content.decode(errors="replace"))
            case Kind.CLEAR:
                for mark in self._playout.clear():
                    self._send(fork_link.pack(Kind.CLEARED, mark.encode()))

    def _send(self, datagram: bytes) -> bool:
        with contextlib.suppress(OSError):  # full: what it misses is counted; gone: the next `take` sees it
            self._socket.send(datagram)
            return True
        return False


class Forks:
    def __init__(self, rows: Rows) -> None:
        self._rows = rows
        self._running: dict[str, Fork] = {}

    def __len__(self) -> int:
        return len(self._running)

    def start(self, leg: Leg, order: StartFork) -> None:
        """Raises `CannotFork`."""
        if order.stream_id in self._running:
            raise CannotFork(f"stream {order.stream_id} runs already")
        self._running[order.stream_id] = Fork(leg, order)

    def run(self) -> None:
        """One tick: after everything else was said, before it is recorded and sent."""
        if not self._running:
            return
        for fork in [fork for fork in self._running.values() if not fork.take()]:
            self._end(fork)
        for fork in self._running.values():
            fork.speak(self._rows)
        for fork in self._running.values():  # a stream hears what the others of its leg said
            fork.tell(self._rows)

    def stop_all(self, leg: Leg) -> None:
        for fork in [fork for fork in self._running.values() if fork.leg is leg]:
            self._end(fork)

    def _end(self, fork: Fork) -> None:
        del self._running[fork.stream_id]
        fork.close()
