"""How soon a live call obeys, by the clock of the far end's packets.

    python bench/live_control.py [--rounds 30]

An installation of its own is started; the far end is a trunk of ours in this process, whose packets carry the time at
which the kernel took them. Measured from the API's answer, and from the request, to the first packet that shows the
effect: a new flow (another tone), `dtmf` (an RFC 4733 event), a conference's mute (the first packet without the
speaker). Promised is a tenth of a second; a packet is sent every 20 ms.
"""

import argparse
import asyncio
import shutil
import socket
import statistics
import struct
import sys
import tempfile
import threading
import time
from collections.abc import Awaitable, Callable
from itertools import cycle
from pathlib import Path
from typing import Any

import numpy as np
import uvloop
from rich.console import Console
from rich.table import Table

sys.path.insert(0, str(Path(__file__).parent.parent / "tests"))

from ports import free_ports
from sautikitd.voice.media.g711 import DECODE_BOTH
from sautikitd.voice.sip import sdp
from sautikitd.voice.sip.inbound import InboundCall
from sautikitd.voice.sip.user_agent import UserAgent
from system.installation import Customer, Installation
from voice.media.rtp_peer import companded, level, sine

NUMBER = "+254207000001"
LISTENER, SPEAKER = "+254712000001", "+254712000002"
SPOKEN_HZ = 500.0
TONES = {"dial": 425.0, "beep": 1000.0}
LOUD = 2000.0
PATIENCE_S = 5.0
_SO_TIMESTAMPNS = 35  # linux/socket.h; the socket module does not name it
_NANOSECONDS = struct.Struct("qq")

Heard = tuple[float, int, bytes]
"""When the kernel took a packet (seconds of the epoch), its payload type, its payload."""


class Ear(threading.Thread):
    """The far end's RTP in a thread of its own, so that this process's event loop delays nothing. Where `says` is given
    it answers each packet with a piece of that tone."""

    def __init__(self, says: float | None = None) -> None:
        super().__init__(daemon=True)
        self.socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self.socket.setsockopt(socket.SOL_SOCKET, _SO_TIMESTAMPNS, 1)
        self.socket.settimeout(0.2)
        self.socket.bind(("127.0.0.1", 0))
        self.port: int = self.socket.getsockname()[1]
        self.codec = "PCMA"
        self.heard: list[Heard] = []
        self.over = False
        self._says = says

    def run(self) -> None:
        pieces = cycle(np.split(sine(self._says, 1.0, 6000), 50)) if self._says else None
        sent = 0
        while not self.over:
            try:
                data, ancillary, _, source = self.socket.recvmsg(2048, 64)
            except TimeoutError:
                continue
            seconds, nanoseconds = _NANOSECONDS.unpack_from(ancillary[0][2])
            self.heard.append((seconds + nanoseconds / 1e9, data[1] & 0x7F, data[12:]))
            if pieces is not None:
                sent += 1
                kind = 8 if self.codec == "PCMA" else 0
                header = struct.pack("!BBHII", 0x80, kind, sent & 0xFFFF, sent * 160, 7)
                self.socket.sendto(header + companded(next(pieces), self.codec), source)
        self.socket.close()

    def loud_at(self, hertz: float) -> Callable[[Heard], bool]:
        def judge(packet: Heard) -> bool:
            law = DECODE_BOTH[:256] if packet[1] == 0 else DECODE_BOTH[256:]
            audio = packet[1] in (0, 8) and len(packet[2]) == 160
            samples = law[np.frombuffer(packet[2], np.uint8)].astype(float) if audio else np.zeros(160)
            return level(samples, hertz) > LOUD

        return judge


class FarEnd:
    """Answers every call, each with its own ear; callees are told apart by their number."""

    def __init__(self) -> None:
        self.ears = {LISTENER: Ear(), SPEAKER: Ear(says=SPOKEN_HZ)}

    async def take(self, call: InboundCall) -> None:
        ear = self.ears[call.called]
        answer = sdp.answer(sdp.parse(call.offer or b""), "127.0.0.1", ear.port, session_id=ear.port).encode()
        ear.codec = "PCMA" if b" 8" in answer.partition(b"m=audio")[2].split(b"\n")[0] else "PCMU"
        if not ear.is_alive():
            ear.start()
        await call.answer(answer)
        async for _ in call:
            pass


Order = Callable[[int], Awaitable[Any]]
Shown = Callable[[int], Callable[[Heard], bool]]


async def rounds(count: int, ear: Ear, order: Order, shown: Shown) -> tuple[list[float], list[float]]:
    """From the answer, and from the request, to the first packet after the request that shows the effect, in ms."""
    answers, requests = [], []
    for number in range(count):
        asked, already = time.time(), len(ear.heard)
        await order(number)
        answered, judge = time.time(), shown(number)
        async with asyncio.timeout(PATIENCE_S):
            while not (found := [packet[0] for packet in ear.heard[already:] if judge(packet)]):
                await asyncio.sleep(0.005)
        effect = next(at for at in found if at > asked)
        answers.append((effect - answered) * 1000)
        requests.append((effect - asked) * 1000)
        await asyncio.sleep(0.7)
    return answers, requests


async def placed(installation: Installation, customer: Customer, to: str, action: dict[str, Any]) -> str:
    body = {"from": NUMBER, "to": to, "actions": [action, {"pause": {"length": 600}}]}
    made = await installation.api("POST", "/v1/calls", customer.key, body, expect=201)
    await installation.call_when(customer, made["call_id"], "answered")
    return f"/v1/calls/{made['call_id']}"


async def measure(count: int) -> None:
    folder = Path(tempfile.mkdtemp(prefix="skb-"))
    installation, far, console = Installation(folder / "data"), FarEnd(), Console(width=100)
    agent = UserAgent(on_invite=far.take)
    try:
        console.print("Starting an installation …")
        await installation.start()
        port = free_ports(1)[0]
        way = ("--host", "127.0.0.1", "--port", str(port), "--transport", "udp")
        await installation.command("trunk", "add", "bench", *way)
        await agent.start(("127.0.0.1", port))
        listing = folder / "numbers.csv"
        listing.write_text(f"e164,type,locality,monthly_price_minor\n{NUMBER},local,Nairobi,10000\n")
        await installation.command("inventory", "import", str(listing))
        customer = await installation.customer("Bench", funds_minor=100_000_000)
        await installation.number(customer, NUMBER)
        found = await _measured(installation, customer, far, count)
    finally:
        await installation.stop()
        await agent.stop()
        for ear in far.ears.values():
            ear.over = True
        shutil.rmtree(folder, ignore_errors=True)
    table = Table("what", "from the answer p50 ms", "p95 ms", "from the request p50 ms", "p95 ms")
    for what, (answers, requests) in found.items():
        table.add_row(what, *_row(answers), *_row(requests))
    console.print(table)


async def _measured(
    installation: Installation, customer: Customer, far: FarEnd, count: int
) -> dict[str, tuple[list[float], list[float]]]:
    listener = far.ears[LISTENER]
    names, found = list(TONES), {}
    call = await placed(installation, customer, LISTENER, {"play": {"tone": names[1], "loop": 1000}})
    await asyncio.sleep(1)

    async def replace(number: int) -> None:
        flow = {"actions": [{"play": {"tone": names[number % 2], "loop": 1000}}]}
        await installation.api("PATCH", call, customer.key, flow, expect=200)

    async def press(_: int) -> None:
        await installation.api("POST", f"{call}/dtmf", customer.key, {"digits": "5"}, expect=202)

    found["a new flow"] = await rounds(
        count, listener, replace, lambda number: listener.loud_at(TONES[names[number % 2]])
    )
    found["a key press"] = await rounds(
        count, listener, press, lambda _: lambda packet: packet[1] >= 96 and len(packet[2]) == 4
    )
    room = {"actions": [{"conference": {"name": "bench"}}]}
    await installation.api("PATCH", call, customer.key, room, expect=200)
    speaker = await placed(installation, customer, SPEAKER, room["actions"][0])
    muting = f"/v1/conferences/bench/participants/{speaker.rpartition('/')[2]}"
    await asyncio.sleep(2)
    spoken = listener.loud_at(SPOKEN_HZ)
    silences: list[list[float]] = [[], []]
    for _ in range(count):
        (answer,), (request,) = await rounds(
            1,
            listener,
            lambda _: installation.api("POST", f"{muting}/mute", customer.key, expect=200),
            lambda _: lambda packet: not spoken(packet),
        )
        silences[0].append(answer)
        silences[1].append(request)
        await installation.api("POST", f"{muting}/unmute", customer.key, expect=200)
        await asyncio.sleep(0.5)
    found["mute in a conference"] = silences[0], silences[1]
    return found


def _row(values: list[float]) -> tuple[str, str]:
    ordered = sorted(values)
    return f"{statistics.median(ordered):.0f}", f"{ordered[int(len(ordered) * 0.95)]:.0f}"


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--rounds", type=int, default=30)
    uvloop.run(measure(parser.parse_args().rounds))


if __name__ == "__main__":
    main()
