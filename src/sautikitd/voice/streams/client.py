"""The voice node's hold on its stream process."""

import asyncio
import os
import shutil
import socket
import sys
import tempfile
from pathlib import Path

import msgspec
import structlog

from sautikitd.flow.streams import StreamEnd
from sautikitd.voice.media.protocol import frame, read_frame
from sautikitd.voice.streams.orders import (
    FromStreams,
    OpenStream,
    PressDigit,
    StopStream,
    StreamEnded,
    StreamOpened,
    ToStreams,
)
from sautikitd.voice.streams.process import Options

log = structlog.get_logger(__name__)

_EXIT_S = 4.0
_LOST = "the stream process was lost"


class OpenedStream:
    """One stream as the node sees it. `ended` is done when it is over; nothing has to be done afterwards."""

    def __init__(self, stream_id: str, client: "StreamClient") -> None:
        self.stream_id = stream_id
        loop = asyncio.get_running_loop()
        self.opened: asyncio.Future[bool] = loop.create_future()
        """Whether the server took the socket."""
        self.ended: asyncio.Future[StreamEnded] = loop.create_future()
        self._client = client

    def stop(self) -> None:
        """Says goodbye and closes the socket; does nothing on one that is over."""
        self._client.tell(StopStream(stream_id=self.stream_id))

    def press(self, digit: str) -> None:
        self._client.tell(PressDigit(stream_id=self.stream_id, digit=digit))

    def take(self, event: FromStreams) -> None:
        match event:
            case StreamOpened() if not self.opened.done():
                self.opened.set_result(True)
            case StreamEnded() if not self.ended.done():
                self.ended.set_result(event)
                if not self.opened.done():
                    self.opened.set_result(False)


class StreamClient:
    """Starts the process with the first stream, and anew with the next one after it has died.

    `path` is where the media process finds it.
    """

    def __init__(self, *, allow_private: bool) -> None:
        self._allow_private = allow_private
        self.path = Path()
        """A Unix socket of at most a hundred characters, in a folder of its own (0700), which goes with the process."""
        self._starting = asyncio.Lock()
        self._process: asyncio.subprocess.Process | None = None
        self._writer: asyncio.StreamWriter | None = None
        self._reading: asyncio.Task[None] | None = None
        self._streams: dict[str, OpenedStream] = {}

    @property
    def streams(self) -> int:
        return len(self._streams)

    @property
    def pid(self) -> int | None:
        return self._process.pid if self._process else None

    async def open(self, order: OpenStream) -> OpenedStream:
        """Sends the upgrade request; wait for `opened`, then for `ended`. Raises OSError where no process can be
        started."""
        await self.start()
        stream = self._streams[order.stream_id] = OpenedStream(order.stream_id, self)
        self.tell(order)
        return stream

    async def start(self) -> None:
        """Does nothing where the process runs. Needed only to have it warm before the first stream."""
        async with self._starting:
            if self._writer is not None:
                return
            self.path = Path(tempfile.mkdtemp(prefix="sautikit-")) / "media"
            ours, theirs = socket.socketpair()
            with theirs:
                options = Options(
                    control_fd=theirs.fileno(), path=str(self.path), allow_private=self._allow_private
                )
                self._process = await asyncio.create_subprocess_exec(
                    *(sys.executable, "-m", "sautikitd.voice.streams.process"),
                    msgspec.json.encode(options).decode(),
                    pass_fds=(theirs.fileno(),),
                    stdin=asyncio.subprocess.DEVNULL,
                    # Array operations here are small: more threads would only fight for the core.
                    env={**os.environ, "OPENBLAS_NUM_THREADS": "1", "OMP_NUM_THREADS": "1"},
                )
            reader, self._writer = await asyncio.open_connection(sock=ours)
            self._reading = asyncio.ensure_future(self._read(reader, self._writer))

    def tell(self, order: ToStreams) -> None:
        if self._writer is not None:
            self._writer.write(frame(order))
        elif isinstance(order, OpenStream):
            self._fail(order.stream_id)

    async def close(self) -> None:
        """Ends the process; every stream says goodbye first."""
        if self._writer is not None:
            self._writer.close()
        if self._process is not None:
            try:
                await asyncio.wait_for(self._process.wait(), _EXIT_S)
            except TimeoutError:
                self._process.kill()
                await self._process.wait()
        if self._reading is not None:
            await self._reading

    async def _read(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        decoder: msgspec.msgpack.Decoder[FromStreams] = msgspec.msgpack.Decoder(FromStreams)
        folder = self.path.parent
        try:
            while (body := await read_frame(reader)) is not None:
                event = decoder.decode(body)
                stream = self._streams.get(event.stream_id)
                if isinstance(event, StreamEnded):
                    self._streams.pop(event.stream_id, None)
                if stream is not None:
                    stream.take(event)
        finally:
            writer.close()
            shutil.rmtree(folder, ignore_errors=True)  # one that was killed left it behind
            if self._writer is writer:
                self._writer = None
            if self._streams:
                log.error("voice.streams_lost", streams=len(self._streams))
            for stream_id in list(self._streams):
                self._fail(stream_id)

    def _fail(self, stream_id: str) -> None:
        stream = self._streams.pop(stream_id, None)
        if stream is not None:
            stream.take(StreamEnded(stream_id=stream_id, end=StreamEnd.FAILED, error=_LOST))
