"""The voice node's hold on its media process."""

import asyncio
import os
import socket
import sys
from collections.abc import Callable, Collection, Sequence
from pathlib import Path
from typing import TypeVar

import msgspec

from sautikitd.voice.media import protocol
from sautikitd.voice.media.frames import FrameSocket
from sautikitd.voice.media.process import Options
from sautikitd.voice.media.protocol import Event, Gauges, LegStats, LocalMedia, RemoteMedia, Segment

_EXIT_S = 5.0
OnEvent = Callable[[Event], None]
_Answer = TypeVar("_Answer", bound=protocol.Struct)


class MediaRefused(Exception):
    """The media process could not do what was asked; the message says why."""


class MediaLost(Exception):
    """The media process is gone, and with it every leg: end their calls and spawn another."""


class MediaClient:
    """Every method raises `MediaLost` once the process has gone, and `MediaRefused` with the reason it was refused.

    Events of a leg come to the `on_event` given to `open_leg`, in the order they happened, from the running loop,
    until `close_leg` has returned.
    """

    def __init__(
        self,
        process: asyncio.subprocess.Process,
    ) -> None:
        self._process = process
        self._loop = asyncio.get_running_loop()
        self._decoder = msgspec.msgpack.Decoder(protocol.FromMedia)
        self._wire = FrameSocket(self._take, self._end)
        self._next_id = 0
        self._pending: dict[int, asyncio.Future[protocol.Struct]] = {}
        self._listeners: dict[str, OnEvent] = {}
        self._open: set[str] = set()
        self._on_lost: list[Callable[[], None]] = []
        self._lost = False
        self._closing = False

    @classmethod
    async def spawn(
        cls,
        *,
        bind_address: str,
        port_range: tuple[int, int],
        capacity: int = 1024,
        silent_after_s: float = 60.0,
    ) -> "MediaClient":
        """Starts a media process. `port_range` is inclusive, (0, 0) leaves ports to the system; `capacity` is in
        legs; `silent_after_s` is when `MediaSilent` is told."""
        ours, theirs = socket.socketpair()
        options = Options(
            control_fd=theirs.fileno(),
            bind_address=bind_address,
            first_port=port_range[0],
            last_port=port_range[1],
            capacity=capacity,
            silent_after_s=silent_after_s,
        )
        with theirs:
            process = await asyncio.create_subprocess_exec(
                sys.executable,
                "-m",
                "sautikitd.voice.media.process",
                msgspec.json.encode(options).decode(),
                pass_fds=(theirs.fileno(),),
                stdin=asyncio.subprocess.DEVNULL,
                # Array operations here are small: more threads would only fight for the core.
                env={**os.environ, "OPENBLAS_NUM_THREADS": "1", "OMP_NUM_THREADS": "1"},
            )
        client = cls(process)
        await client._loop.create_connection(lambda: client._wire, sock=ours)
        try:
            await client.gauges()  # answered: it has started
        except MediaLost:
            await client.close()
            raise
        return client

    @property
    def pid(self) -> int:
        return self._process.pid

    @property
    def legs(self) -> int:
        """How many are open, or being opened."""
        return len(self._open)

    @property
    def lost(self) -> bool:
        """Whether the process has gone without having been closed."""
        return self._lost

    def on_lost(self, callback: Callable[[], None]) -> None:
        """Calls back once if the process dies; at once if it has died already."""
        if self._lost:
            callback()
        else:
            self._on_lost.append(callback)

    async def close(self) -> None:
        """Ends the process; its recordings' files are finished first."""
        self._closing = True
        self._wire.close()
        try:
            await asyncio.wait_for(self._process.wait(), _EXIT_S)
        except TimeoutError:
            self._process.kill()
            await self._process.wait()
        await self._wire.ended

    # Legs

    async def open_leg(self, leg_id: str, on_event: OnEvent | None = None) -> LocalMedia:
        """Binds a pair of ports. `on_event` takes the leg's events."""
        if on_event is not None:
            self._listeners[leg_id] = on_event
        self._open.add(leg_id)
        try:
            return await self._ask(protocol.OpenLeg(leg_id=leg_id), LocalMedia)
        except MediaRefused:
            self._listeners.pop(leg_id, None)
            self._open.discard(leg_id)
            raise

    async def configure_leg(self, leg_id: str, remote: RemoteMedia) -> None:
        """Tells what was agreed with the far end; again whenever that changes. Audio flows from then on."""
        await self._do(protocol.ConfigureLeg(leg_id=leg_id, remote=remote))

    async def close_leg(self, leg_id: str) -> LegStats:
        """Closes its sockets; its play and recordings end first, each with its event."""
        try:
            return await self._ask(protocol.CloseLeg(leg_id=leg_id), LegStats)
        finally:
            self._listeners.pop(leg_id, None)
            self._open.discard(leg_id)

    async def stats(self, leg_id: str) -> LegStats:
        return await self._ask(protocol.ReadStats(leg_id=leg_id), LegStats)

    async def beat(self) -> protocol.Beat:
        """How the process keeps time."""
        return await self._ask(protocol.ReadBeat(), protocol.Beat)

    async def gauges(self) -> Gauges:
        return await self._ask(protocol.ReadGauges(), Gauges)

    # Speaking

    async def play(self, leg_id: str, play_id: str, segments: Sequence[Segment], loop: int = 1) -> None:
        """Starts playing, in place of what plays; `PlayFinished` tells the end. Returns once it has started. Before
        the leg is configured it waits; while the leg is on hold it goes on unheard."""
        await self._do(protocol.Play(leg_id=leg_id, play_id=play_id, segments=list(segments), loop=loop))

    async def stop_play(self, leg_id: str) -> None:
        """Does nothing when nothing plays."""
        await self._do(protocol.StopPlay(leg_id=leg_id))

    async def send_digits(self, leg_id: str, digits: str) -> None:
        """Queues digits (0-9 * # A-D, w, W), 100 ms on and 100 ms off; what plays waits meanwhile."""
        await self._do(protocol.SendDigits(leg_id=leg_id, digits=digits))

    # Recording

    async def start_recording(
        self,
        leg_id: str,
        recording_id: str,
        path: Path,
        *,
        channels: int = 1,
        max_ms: int,
        silence_ms: int | None = None,
        trim_silence: bool = False,
        include_sent: bool = False,
    ) -> None:
        """Records to a WAV file, 8 kHz 16 bit, until stopped, `max_ms`, or `silence_ms` without speech from the far
        end. One channel holds what is received, with `include_sent` mixed with what is sent; two channels hold
        received left and sent right. `trim_silence` cuts silence at both ends to 200 ms."""
        await self._do(
            protocol.StartRecording(
                leg_id=leg_id,
                recording_id=recording_id,
                path=str(path),
                channels=channels,
                max_ms=max_ms,
                silence_ms=silence_ms,
                trim_silence=trim_silence,
                include_sent=include_sent,
            )
        )

    async def pause_recording(self, recording_id: str) -> None:
        """Cuts out what is said until it is resumed."""
        await self._do(protocol.PauseRecording(recording_id=recording_id))

    async def resume_recording(self, recording_id: str) -> None:
        await self._do(protocol.ResumeRecording(recording_id=recording_id))

    async def stop_recording(self, recording_id: str) -> None:
        """Returns when the file is complete; `RecordingEnded` comes just before."""
        await self._do(protocol.StopRecording(recording_id=recording_id))

    # Rooms

    async def join(
        self,
        room: str,
        leg_id: str,
        *,
        muted: bool = False,
        deaf: bool = False,
        heard_by: Collection[str] | None = None,
        overhears: Collection[str] = (),
    ) -> None:
        """Puts a leg into a room, where each hears the sum of the others; again to change its seat. What it is
        being played is heard on top, by it alone. With `heard_by` (leg ids, now in the room or later) only these
        hear it: a coach whispers to one, a listener (the empty list) to nobody. It hears also what is played to
        the legs it `overhears`."""
        await self._do(
            protocol.Join(
                leg_id=leg_id,
                room=room,
                muted=muted,
                deaf=deaf,
                heard_by=None if heard_by is None else list(heard_by),
                overhears=list(overhears),
            )
        )

    async def leave(self, leg_id: str) -> None:
        await self._do(protocol.Leave(leg_id=leg_id))

    async def open_booth(self, booth_id: str, room: str, on_event: OnEvent | None = None) -> None:
        """A seat without a phone, from which a room is spoken to (`announce`) and recorded: `start_recording` with
        the booth's id and `include_sent`. `on_event` takes its events. Close it after the room's last leg left."""
        if on_event is not None:
            self._listeners[booth_id] = on_event
        try:
            await self._do(protocol.OpenBooth(booth_id=booth_id, room=room))
        except MediaRefused:
            self._listeners.pop(booth_id, None)
            raise

    async def close_booth(self, booth_id: str) -> None:
        """Ends its announcements and recordings first, each with its event."""
        try:
            await self._do(protocol.CloseBooth(booth_id=booth_id))
        finally:
            self._listeners.pop(booth_id, None)

    async def announce(self, booth_id: str, play_id: str, segments: Sequence[Segment], loop: int = 1) -> None:
        """Plays to everybody in the booth's room who hears, on top of what is said; `PlayFinished` tells the end.
        Several at once are heard together. No digits."""
        await self._do(
            protocol.Announce(booth_id=booth_id, play_id=play_id, segments=list(segments), loop=loop)
        )

    async def hush(self, booth_id: str, play_id: str | None = None) -> None:
        """Cuts an announcement short, or all of the booth's."""
        await self._do(protocol.Hush(booth_id=booth_id, play_id=play_id))

    # Who answered

    async def find_answerer(self, leg_id: str, *, to_the_end: bool = False) -> None:
        """Listens from now on, the answer; `AnswererFound` comes within seven seconds. With `to_the_end`
        `GreetingOver` follows when a machine's greeting is over, and at once for anybody else."""
        await self._do(protocol.FindAnswerer(leg_id=leg_id, to_the_end=to_the_end))

    # Streams

    async def start_fork(
        self, leg_id: str, stream_id: str, path: Path, *, heard: bool = True, said: bool = False
    ) -> None:
        """Connects the leg to the stream process that listens at `path`: what it hears and says goes there, and
        what comes from there is said on top. It ends when either process closes the connection, or with the leg."""
        await self._do(
            protocol.StartFork(leg_id=leg_id, stream_id=stream_id, path=str(path), heard=heard, said=said)
        )

    # The wire

    async def _do(self, command: protocol.Command) -> None:
        await self._ask(command, protocol.Done)

    async def _ask(self, command: protocol.Command, answer: type[_Answer]) -> _Answer:
        if self._lost or self._closing:
            raise MediaLost("the media process has ended")
        self._next_id += 1
        waiting: asyncio.Future[protocol.Struct] = self._loop.create_future()
        self._pending[self._next_id] = waiting
        self._wire.send(protocol.frame(protocol.Request(id=self._next_id, command=command)))
        result = await waiting
        if isinstance(result, protocol.Refused):
            raise MediaRefused(result.message)
        if not isinstance(result, answer):
            raise TypeError(f"{type(command).__name__} was answered with {type(result).__name__}")
        return result

    def _take(self, body: bytes) -> None:
        message = self._decoder.decode(body)
        if isinstance(message, protocol.Reply):
            waiting = self._pending.pop(message.id, None)
            if waiting is not None and not waiting.done():
                waiting.set_result(message.result)
        elif (listener := self._listeners.get(message.leg_id)) is not None:
            self._loop.call_soon(listener, message)  # its faults are its own, and do not end the reading

    def _end(self) -> None:
        self._lost = not self._closing
        for waiting in self._pending.values():
            if not waiting.done():
                waiting.set_exception(MediaLost("the media process has ended"))
        self._pending.clear()
        callbacks, self._on_lost = self._on_lost, []
        if self._lost:
            for callback in callbacks:
                callback()
