"""What is measured: each kind of work sets up its legs, tells where they receive, and counts what it heard."""

import asyncio
import json
import os
import sys
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Protocol

import numpy as np
from load import DTMF_TYPE, OPUS_TYPE, Load, Ports, keys_of
from ng import Rtpengine

from sautikitd.voice.media.client import MediaClient
from sautikitd.voice.media.crypto.suites import Suite
from sautikitd.voice.media.g711 import Codec
from sautikitd.voice.media.protocol import Beat, DigitReceived, Event, PcmFile, RemoteMedia
from sautikitd.voice.media.terms import SrtpTerms

_AT_ONCE = 32
_ROOM_SIZE = 10
_HOUR_MS = 3_600_000


class Work(Protocol):
    name: str
    keys: bool  # whether it hears keys
    srtp: bytes  # the key that protects it, if any
    opus: bool  # whether its audio is Opus
    relays: bool  # whether it sends what it is sent, when it is sent it

    async def start(self, legs: int, ports: Ports, folder: Path) -> list[int]:
        """Sets everything up; the port of each leg."""
        ...

    @property
    def pid(self) -> int: ...

    async def beat(self) -> Beat | None:
        """How it keeps time; None for what does not tell."""
        ...

    def wrong(self, load: Load) -> tuple[int, int] | None:
        """Keys that were heard wrong, and those that were pressed."""
        ...

    async def stop(self) -> None: ...


class _Plain:
    keys = False
    srtp = b""
    opus = False
    relays = False

    async def beat(self) -> Beat | None:
        return None

    def wrong(self, load: Load) -> tuple[int, int] | None:
        return None


class _OnPlane(_Plain):
    """Work of the media process."""

    name = ""

    async def start(self, legs: int, ports: Ports, folder: Path) -> list[int]:
        self._folder = folder
        self._heard = dict.fromkeys(range(legs), "")
        self._media = await MediaClient.spawn(bind_address="127.0.0.1", port_range=(0, 0), capacity=legs)
        self._remote = RemoteMedia(
            address="127.0.0.1",
            rtp_port=ports.rtp,
            rtcp_port=ports.rtcp,
            codec=Codec.OPUS if self.opus else Codec.PCMU,
            payload_type=OPUS_TYPE if self.opus else 0,
            dtmf_payload_type=DTMF_TYPE,
            srtp=self._terms(),
        )
        targets = [0] * legs

        async def open_one(index: int) -> None:
            local = await self._media.open_leg(str(index), lambda event: self._note(index, event))
            targets[index] = local.rtp_port
            await self._media.configure_leg(str(index), self._remote)
            await self._occupy(self._media, index)

        await _each(open_one, legs)
        return targets

    @property
    def pid(self) -> int:
        return self._media.pid

    def _terms(self) -> SrtpTerms | None:
        if not self.srtp:
            return None
        suite = Suite.SHA1_80
        return SrtpTerms(local_suite=suite, local_key=self.srtp, remote_suite=suite, remote_key=self.srtp)

    def _note(self, index: int, event: Event) -> None:
        if isinstance(event, DigitReceived):
            self._heard[index] += event.digit

    async def _occupy(self, media: MediaClient, index: int) -> None:
        raise NotImplementedError

    async def beat(self) -> Beat | None:
        return await self._media.beat()

    async def stop(self) -> None:
        await self._media.close()


class Ivr(_OnPlane):
    """Each leg is played a file, is recorded, and hears keys."""

    name = "IVR: play, record, keys"
    keys = True

    async def _occupy(self, media: MediaClient, index: int) -> None:
        prompt = self._folder / f"prompt{index % 8}.pcm"
        if not prompt.exists():
            (8000 * np.sin(np.arange(80_000) * (0.3 + 0.01 * (index % 8)))).astype("<i2").tofile(prompt)
        leg = str(index)
        await media.play(leg, "p", [PcmFile(path=str(prompt))], loop=1000)
        await media.start_recording(leg, leg, self._folder / f"{leg}.wav", max_ms=_HOUR_MS)

    def wrong(self, load: Load) -> tuple[int, int] | None:
        if not load.key_frames:
            return None
        pressed = {index: keys_of(index, load) for index in self._heard}
        wrong = sum(_differences(self._heard[index], keys) for index, keys in pressed.items())
        return wrong, sum(map(len, pressed.values()))


class SecuredIvr(Ivr):
    """The same over SRTP, as SDES trunks have it, and browsers that speak G.711: each packet is opened and sealed on
    its own. A browser's keys are agreed by DTLS once in a call (`bench/handshakes.py`)."""

    name = "IVR in SRTP"
    srtp = bytes(range(30))


class Browser(SecuredIvr):
    """Opus in SRTP, as browsers have it."""

    name = "IVR in SRTP, Opus"
    keys = False
    opus = True


class Bridge(_OnPlane):
    """Legs two and two in a room; each pair recorded on two channels."""

    name = "bridged and recorded"

    async def _occupy(self, media: MediaClient, index: int) -> None:
        await media.join(f"room-{index // 2}", str(index))
        if index % 2 == 0:
            path = self._folder / f"{index}.wav"
            await media.start_recording(str(index), str(index), path, channels=2, max_ms=_HOUR_MS)


class Conference(_OnPlane):
    name = f"conferences of {_ROOM_SIZE}"

    async def _occupy(self, media: MediaClient, index: int) -> None:
        await media.join(f"room-{index // _ROOM_SIZE}", str(index))


class RtpengineRelay(_Plain):
    """rtpengine relaying between the legs of pairs, in userspace."""

    name = "rtpengine relay"
    relays = True

    async def start(self, legs: int, ports: Ports, folder: Path) -> list[int]:
        self._engine = await Rtpengine.start()
        far = RemoteMedia(address="127.0.0.1", rtp_port=ports.rtp)
        return [port for call in range(legs // 2) for port in self._engine.pair(call, far)]

    @property
    def pid(self) -> int:
        return self._engine.pid

    async def stop(self) -> None:
        await self._engine.stop()


class BareRelay(_Plain):
    """A uvloop process that sends each packet back as it came: what Python pays for the packets alone."""

    name = "bare uvloop relay"
    relays = True

    async def start(self, legs: int, ports: Ports, folder: Path) -> list[int]:
        self._process = await asyncio.create_subprocess_exec(
            sys.executable,
            str(Path(__file__).with_name("echo.py")),
            str(legs),
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
            limit=1 << 20,
        )
        assert self._process.stdout is not None
        targets: list[int] = json.loads(await self._process.stdout.readline())
        return targets

    @property
    def pid(self) -> int:
        return self._process.pid

    async def stop(self) -> None:
        assert self._process.stdin is not None
        self._process.stdin.close()
        await self._process.wait()


def _differences(heard: str, pressed: str) -> int:
    """How many keys are missing, doubled or others (the edit distance)."""
    if heard == pressed:
        return 0
    before = list(range(len(pressed) + 1))
    for row, key in enumerate(heard, 1):
        now = [row]
        for column, wanted in enumerate(pressed, 1):
            now.append(min(before[column] + 1, now[-1] + 1, before[column - 1] + (key != wanted)))
        before = now
    return before[-1]


async def _each(make: Callable[[int], Awaitable[None]], count: int) -> None:
    """`make(0)` to `make(count - 1)`, a few at a time."""
    for first in range(0, count, _AT_ONCE):
        await asyncio.gather(*(make(index) for index in range(first, min(count, first + _AT_ONCE))))


def cpu_seconds(pid: int) -> float:
    """User and system time of a process, of proc(5)."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")
