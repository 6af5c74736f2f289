"""The media process: `python -m sautikitd.voice.media.process '<options as JSON>'`, started by `MediaClient`.

It is told its end of the socket pair by number. When the other end closes, because the voice node closed it or
died, it finishes the files of its recordings and exits.
"""

import asyncio
import gc
import signal
import socket
import sys
from collections.abc import Awaitable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import msgspec
import uvloop

from sautikitd.voice.media import protocol
from sautikitd.voice.media.forks.forks import CannotFork
from sautikitd.voice.media.plane import LegExists, Plane, UnknownLeg
from sautikitd.voice.media.protocol import Done, Refused, Reply, Request
from sautikitd.voice.media.rows import NoRows
from sautikitd.voice.media.sounding.playback import UnreadableFile
from sautikitd.voice.media.tape.recorder import CannotRecord, UnknownRecording
from sautikitd.voice.media.ticker import Ticker
from sautikitd.voice.media.urgency import make_prompt, make_urgent
from sautikitd.voice.media.wire.ports import NoPorts, Ports

Result = protocol.LocalMedia | protocol.LegStats | protocol.Gauges | protocol.Beat | Done


class Options(msgspec.Struct, frozen=True, kw_only=True):
    control_fd: int
    bind_address: str
    first_port: int
    last_port: int
    capacity: int
    silent_after_s: float


class Control:
    """Answers the voice node's requests, in the order they came except where an answer waits for a file to close."""

    def __init__(self, writer: asyncio.StreamWriter) -> None:
        self._writer = writer
        self._waiting: set[asyncio.Task[None]] = set()

    def emit(self, message: protocol.Struct) -> None:
        if not self._writer.is_closing():  # else the voice node has gone, and nobody is left to tell
            self._writer.write(protocol.frame(message))

    async def serve(self, reader: asyncio.StreamReader, plane: Plane, ticker: Ticker) -> None:
        """Until the other end closes."""
        decoder = msgspec.msgpack.Decoder(protocol.FromVoice)
        while (body := await protocol.read_frame(reader)) is not None:
            request = decoder.decode(body)
            await self._obey(request, plane, ticker)
            await asyncio.sleep(0)  # many may have come at once, and a tick that is due goes first

    async def _obey(self, request: Request, plane: Plane, ticker: Ticker) -> None:
        try:
            result = await self._carry_out(plane, ticker, request.command)
        except _REFUSALS as refusal:
            self._refuse(request, refusal)
            return
        if isinstance(result, protocol.Struct):
            self._answer(request, result)
        else:
            task = asyncio.ensure_future(self._answer_later(request, result))
            self._waiting.add(task)
            task.add_done_callback(self._waiting.discard)

    def _answer(self, request: Request, result: Result) -> None:
        self.emit(Reply(id=request.id, result=result))

    def _refuse(self, request: Request, refusal: Exception) -> None:
        name = type(refusal).__name__
        self.emit(Reply(id=request.id, result=Refused(message=f"{name}: {refusal}")))

    async def _answer_later(self, request: Request, result: Awaitable[Result | None]) -> None:
        try:
            self._answer(request, await result or Done())
        except _REFUSALS as refusal:
            self._refuse(request, refusal)

    async def _carry_out(
        self, plane: Plane, ticker: Ticker, command: protocol.Command
    ) -> Result | Awaitable[Result | None]:
        match command:
            case protocol.OpenLeg():
                return plane.open_leg(command.leg_id)
            case protocol.CloseLeg():
                return plane.close_leg(command.leg_id)
            case protocol.ReadStats():
                return plane.stats(command.leg_id)
            case protocol.ReadGauges():
                return plane.gauges()
            case protocol.ReadBeat():
                return ticker.beat
            case protocol.StopRecording():
                return plane.recorder.stop(command.recording_id)
            case protocol.Play():
                await plane.play(command.leg_id, command.play_id, command.segments, command.loop)
            case protocol.Announce():
                await plane.announce(command.booth_id, command.play_id, command.segments, command.loop)
            case protocol.StartRecording():
                await plane.record(command)
            case protocol.CloseBooth():
                return plane.close_booth(command.booth_id)
            case _:
                self._at_once(plane, command)
        return Done()

    def _at_once(self, plane: Plane, command: protocol.Command) -> None:
        match command:
            case protocol.ConfigureLeg():
                plane.configure_leg(command.leg_id, command.remote)
            case protocol.StopPlay():
                plane.stop_play(command.leg_id)
            case protocol.SendDigits():
                plane.send_digits(command.leg_id, command.digits)
            case protocol.PauseRecording():
                plane.recorder.pause(command.recording_id, paused=True)
            case protocol.ResumeRecording():
                plane.recorder.pause(command.recording_id, paused=False)
            case protocol.Join():
                plane.join(
                    command.leg_id,
                    command.room,
                    muted=command.muted,
                    deaf=command.deaf,
                    heard_by=command.heard_by,
                    overhears=command.overhears,
                )
            case protocol.OpenBooth():
                plane.open_booth(command.booth_id, command.room)
            case protocol.Hush():
                plane.hush(command.booth_id, command.play_id)
            case protocol.Leave():
                plane.leave(command.leg_id)
            case protocol.StartFork():
                plane.forks.start(plane.leg(command.leg_id), command)
            case protocol.FindAnswerer():
                plane.ears.listen(plane.leg(command.leg_id), to_the_end=command.to_the_end)


# What a command may be refused for; anything else is a fault of ours and ends the process, loudly.
_REFUSALS = (
    UnknownLeg,
    LegExists,
    UnknownRecording,
    CannotRecord,
    CannotFork,
    UnreadableFile,
    NoPorts,
    NoRows,
    ValueError,
)


async def run(options: Options) -> None:
    loop = asyncio.get_running_loop()
    scheduling = make_urgent()
    loop.set_default_executor(ThreadPoolExecutor(2, "files", initializer=make_prompt))
    connection = socket.socket(fileno=options.control_fd)
    reader, writer = await asyncio.open_connection(sock=connection)
    control = Control(writer)
    ports = Ports(options.bind_address, options.first_port, options.last_port)
    plane = Plane(ports, control.emit, capacity=options.capacity, silent_after_s=options.silent_after_s)
    ticker = Ticker(plane, scheduling=scheduling)
    loop.call_soon(ticker.run)
    serving = asyncio.ensure_future(control.serve(reader, plane, ticker))
    loop.add_signal_handler(signal.SIGTERM, serving.cancel)

    def give_up(loop: asyncio.AbstractEventLoop, context: dict[str, Any]) -> None:
        # A fault of ours in a tick or a task: better to be lost, which the voice node sees, than to go on mute.
        loop.default_exception_handler(context)
        serving.cancel()

    loop.set_exception_handler(give_up)
    try:
        await asyncio.wait([serving])
    finally:
        ticker.stop()
        await plane.close()
        writer.close()
    if not serving.cancelled():
        serving.result()


def main() -> None:
    options = msgspec.json.decode(sys.argv[1], type=Options)
    signal.signal(
        signal.SIGINT, signal.SIG_IGN
    )  # Ctrl-C reaches the whole group; the voice node closes us in order
    gc.collect()
    gc.freeze()
    gc.disable()
    uvloop.run(run(options))


if __name__ == "__main__":
    main()
