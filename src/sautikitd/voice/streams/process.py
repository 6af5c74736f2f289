"""The stream process: `python -m sautikitd.voice.streams.process '<options as JSON>'`, started by `StreamClient`.

WebSockets live here, apart from the media process, so that a TLS handshake, a large message or a server that does
not read never delays a packet. It ends when its control socket closes.
"""

import asyncio
import signal
import socket
import sys
from pathlib import Path

import msgspec
import structlog
import uvloop

from sautikitd.egress.client import EgressClient
from sautikitd.egress.guard import EgressGuard
from sautikitd.flow.streams import StreamEnd
from sautikitd.voice.media.protocol import frame, read_frame
from sautikitd.voice.streams.link import Listener
from sautikitd.voice.streams.orders import (
    FromStreams,
    OpenStream,
    PressDigit,
    StopStream,
    StreamEnded,
    ToStreams,
)
from sautikitd.voice.streams.stream import Stream

log = structlog.get_logger(__name__)

_EXIT_S = 2.0


class Options(msgspec.Struct, frozen=True, kw_only=True):
    """`path` is where the media processes connect."""

    control_fd: int
    path: str
    allow_private: bool


class Streams:
    def __init__(self, egress: EgressClient, writer: asyncio.StreamWriter) -> None:
        self._egress = egress
        self._writer = writer
        self._running: dict[str, Stream] = {}
        self._tasks: set[asyncio.Task[None]] = set()

    async def serve(self, reader: asyncio.StreamReader) -> None:
        """Until the other end closes; then every stream says goodbye."""
        decoder: msgspec.msgpack.Decoder[ToStreams] = msgspec.msgpack.Decoder(ToStreams)
        while (body := await read_frame(reader)) is not None:
            self._obey(decoder.decode(body))
        for stream in self._running.values():
            stream.stop()
        if self._tasks:
            await asyncio.wait(self._tasks, timeout=_EXIT_S)

    def attach(self, stream_id: str, connected: socket.socket) -> bool:
        stream = self._running.get(stream_id)
        if stream is None:
            return False
        stream.attach(connected)
        return True

    def _obey(self, order: ToStreams) -> None:
        match order:
            case OpenStream():
                stream = self._running[order.stream_id] = Stream(order, self._egress, self._emit)
                task = asyncio.ensure_future(self._run(order.stream_id, stream))
                self._tasks.add(task)
                task.add_done_callback(self._tasks.discard)
            case StopStream() if order.stream_id in self._running:
                self._running[order.stream_id].stop()
            case PressDigit() if order.stream_id in self._running:
                self._running[order.stream_id].press(order.digit)

    async def _run(self, stream_id: str, stream: Stream) -> None:
        try:
            await stream.run()
        except Exception:  # a fault of ours is the end of this stream only, and the call has to know
            log.exception("streams.fault", stream_id=stream_id)
            error = "a fault of the platform"
            self._emit(StreamEnded(stream_id=stream_id, end=StreamEnd.FAILED, error=error))
        finally:
            del self._running[stream_id]

    def _emit(self, event: FromStreams) -> None:
        if not self._writer.is_closing():
            self._writer.write(frame(event))


async def run(options: Options) -> None:
    connection = socket.socket(fileno=options.control_fd)
    reader, writer = await asyncio.open_connection(sock=connection)
    async with EgressClient(EgressGuard(allow_private=options.allow_private), per_host=0) as egress:
        streams = Streams(egress, writer)
        listener = Listener(Path(options.path), streams.attach)
        serving = asyncio.ensure_future(streams.serve(reader))
        asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, serving.cancel)
        try:
            await asyncio.wait([serving])
        finally:
            listener.close()
            writer.close()
        if not serving.cancelled():
            serving.result()


def main() -> None:
    # Ctrl-C reaches the whole group; the voice node closes us in order.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    uvloop.run(run(msgspec.json.decode(sys.argv[1], type=Options)))


if __name__ == "__main__":
    main()
