"""baresip, an independent softphone: it answers or calls, plays a tone, and keeps what it hears as WAV."""

import asyncio
import json
import random
import socket
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

from system.sound import write_tone

_MODULES = "/usr/lib/baresip/modules"
_CONFIG = """
module_path {modules}
module aubridge.so
module g711.so
{modules_more}module aufile.so
module sndfile.so
module_tmp uuid.so
module_tmp account.so
module_app menu.so
module_app ctrl_tcp.so
sip_listen {address}:{sip}
audio_source aufile,{folder}/says.wav
audio_player aubridge,nowhere
audio_alert aubridge,nowhere
ctrl_tcp_listen 127.0.0.1:{control}
snd_path {folder}
net_interface {address}
rtp_ports 30000-39999
call_max_calls 8
"""


_SAYS_S = 90
_SAYS_SHORTLY_S = 10  # at the rates that make the file large


class Baresip:
    """The phone of number `user`. `tone` in Hz is what it says. Answers by itself unless `answer` is False.
    `modules` it loads besides, and `account` are parameters of its account: codecs, encryption. `rate` in Hz is
    what its codec works at; at 48000 it is stereo. `address` is this machine's, `domain` where its account is.

    It also listens for TLS on the port after `sip`, so `control` must be another one.
    """

    def __init__(
        self,
        folder: Path,
        user: str,
        sip: int,
        control: int,
        *,
        tone: int = 1000,
        answer: bool = True,
        modules: Sequence[str] = (),
        account: str = "audio_codecs=PCMA,PCMU",
        rate: int = 8000,
        address: str = "127.0.0.1",
        domain: str = "",
        registers: bool = False,
    ) -> None:
        self.folder = folder
        self.sip = sip
        self._control = control
        folder.mkdir(parents=True)
        (folder / "config").write_text(
            _CONFIG.format(
                modules=_MODULES,
                modules_more="".join(f"module {name}.so\n" for name in modules),
                sip=sip,
                control=control,
                folder=folder,
                address=address,
            )
        )
        write_tone(
            folder / "says.wav",
            tone,
            seconds=_SAYS_S if rate == 8000 else _SAYS_SHORTLY_S,
            rate=rate,
            channels=2 if rate == 48_000 else 1,
        )
        mode = "auto" if answer else "manual"
        (folder / "accounts").write_text(
            f"<sip:{user}@{domain or f'{address}:{sip}'}>;regint={600 if registers else 0};answermode={mode};{account}\n"
        )
        self.events: list[dict[str, Any]] = []
        self._arrived = asyncio.Condition()
        self._process: asyncio.subprocess.Process | None = None
        self._writer: asyncio.StreamWriter | None = None
        self._reading: asyncio.Future[None] | None = None

    async def start(self) -> None:
        log = (self.folder / "baresip.log").open("wb")
        self._process = await asyncio.create_subprocess_exec(
            *("baresip", "-f", str(self.folder), "-4"),
            stdin=asyncio.subprocess.PIPE,
            stdout=log,
            stderr=log,
        )
        log.close()
        for _ in range(200):
            try:
                reader, self._writer = await asyncio.open_connection("127.0.0.1", self._control)
                break
            except OSError:
                await asyncio.sleep(0.05)
        else:
            await self.stop()
            raise RuntimeError(f"baresip did not start:\n{(self.folder / 'baresip.log').read_text()}")
        self._reading = asyncio.ensure_future(self._read(reader))

    async def stop(self) -> None:
        assert self._process is not None
        if self._reading and self._writer:
            self._reading.cancel()
            self._writer.close()
        if self._process.returncode is None:
            self._process.terminate()
            try:
                async with asyncio.timeout(5):
                    await self._process.wait()
            except TimeoutError:
                self._process.kill()
                await self._process.wait()

    async def command(self, name: str, params: str = "") -> None:
        assert self._writer is not None
        body = json.dumps({"command": name, "params": params}).encode()
        self._writer.write(str(len(body)).encode() + b":" + body + b",")
        await self._writer.drain()

    async def dial(self, uri: str) -> None:
        await self.command("dial", uri)

    async def press(self, digits: str) -> None:
        """One key after the other, as RFC 4733 events."""
        for digit in digits:
            await self.command("sndcode", digit)
            await asyncio.sleep(
                0.3
            )  # the length of a key press: baresip ends the digit before it by the next

    async def hang_up(self) -> None:
        await self.command("hangup")

    async def until(self, kind: str, within_s: float = 20) -> dict[str, Any]:
        """Waits for an event such as CALL_ESTABLISHED or CALL_CLOSED."""
        async with asyncio.timeout(within_s), self._arrived:
            await self._arrived.wait_for(lambda: any(event.get("type") == kind for event in self.events))
        return next(event for event in self.events if event.get("type") == kind)

    def heard(self) -> list[Path]:
        """What it received, decoded, a file for each call."""
        return sorted(self.folder.glob("dump-*-dec.wav"))

    async def _read(self, reader: asyncio.StreamReader) -> None:
        while True:
            size = (await reader.readuntil(b":")).rstrip(b":")
            body = await reader.readexactly(int(size) + 1)
            async with self._arrived:
                self.events.append(json.loads(body[:-1]))
                self._arrived.notify_all()


def sip_port() -> int:
    """A port that is free together with the next one, where baresip speaks TLS. Below those the system gives out by
    itself, one of which the phone is controlled on."""
    for port in random.sample(range(20_000, 29_000), 200):
        with socket.socket() as own, socket.socket() as tls, suppress(OSError):
            own.bind(("127.0.0.1", port))
            tls.bind(("127.0.0.1", port + 1))
            return port
    raise RuntimeError("no two free ports side by side between 20000 and 29000")
