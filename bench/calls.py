"""How fast calls go through the whole path, beside two bare SIP user agents on the same machine in the same run.

    python bench/calls.py [--calls 200] [--rate 20] [--webhooks]

An installation of its own is started; the far end is a trunk of ours in this process. Measured: from the POST to
the INVITE on the wire, from our 200 OK to the first packet of sound, calls placed, answered and ended a second, and
what each of our processes spends on a call, at the given rate and as fast as they go (on a busy machine, the ones of
these figures that can be trusted). `--webhooks`: every call's events go to a receiver in this process too.
"""

import argparse
import asyncio
import shutil
import statistics
import sys
import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

import uvloop
from aiohttp import web
from rich.console import Console
from rich.table import Table

sys.path.insert(0, str(Path(__file__).parent.parent / "tests"))

import processor_time  # type: ignore[import-not-found]  # beside this script, not a package
from ports import free_ports
from sautikitd.voice.sip import sdp
from sautikitd.voice.sip.address import NameAddr, sip_uri
from sautikitd.voice.sip.events import Answered, Failed
from sautikitd.voice.sip.hops import Hop
from sautikitd.voice.sip.inbound import InboundCall
from sautikitd.voice.sip.user_agent import UserAgent
from system.installation import Customer, Installation

NUMBER = "+254207000001"
IDLE_S = 5.0
SETTLED_S = 2.0
"""How long after its last call the work behind it (webhooks, the story of the flow) is done."""


class FirstPacket(asyncio.DatagramProtocol):
    """An RTP port that notes when the first packet came."""

    def __init__(self) -> None:
        self.at: float | None = None
        self.arrived = asyncio.Event()

    def datagram_received(self, data: bytes, addr: tuple[str, int]) -> None:
        if self.at is None:
            self.at = time.perf_counter()
            self.arrived.set()


@dataclass
class FarEnd:
    """Answers every call at once and notes when things came. Callees are told apart by their number."""

    invited: dict[str, float] = field(default_factory=dict)
    to_audio: list[float] = field(default_factory=list)
    ended: int = 0

    async def take(self, call: InboundCall) -> None:
        self.invited[call.called] = time.perf_counter()
        loop = asyncio.get_running_loop()
        transport, packets = await loop.create_datagram_endpoint(FirstPacket, local_addr=("127.0.0.1", 0))
        port = transport.get_extra_info("sockname")[1]
        offered = sdp.parse(call.offer or b"")
        answered = time.perf_counter()
        await call.answer(sdp.answer(offered, "127.0.0.1", port, session_id=port).encode())
        try:
            async with asyncio.timeout(10):
                await packets.arrived.wait()
            assert packets.at is not None
            self.to_audio.append(packets.at - answered)
            async for _ in call:
                pass
        finally:
            transport.close()
            self.ended += 1


async def bare_calls(count: int) -> tuple[float, list[float]]:
    """The baseline: INVITE, 200, ACK, BYE between two user agents. Calls a second, and INVITE to its arrival."""
    invited: dict[str, float] = {}

    async def take(call: InboundCall) -> None:
        invited[call.called] = time.perf_counter()
        await call.answer(sdp.answer(sdp.parse(call.offer or b""), "127.0.0.1", 40002, session_id=2).encode())
        async for _ in call:
            pass

    near, far = UserAgent(), UserAgent(on_invite=take)
    await near.start(("127.0.0.1", 0))
    await far.start(("127.0.0.1", 0))
    hop = Hop(host="127.0.0.1", port=far.bound[1])
    delays = []
    started = time.perf_counter()
    for index in range(count):
        user = f"+2547120{index:05d}"
        prepared = near.prepare_invite(
            target=sip_uri(user, hop.host, hop.port), hop=hop, local=NameAddr(sip_uri("bench", "127.0.0.1"))
        )
        sent = time.perf_counter()
        call = await near.send_invite(prepared, sdp.offer("127.0.0.1", 40000, session_id=1).encode())
        async for event in call:
            if isinstance(event, Answered):
                await call.bye()
            assert not isinstance(event, Failed)
        delays.append(invited[user] - sent)
    elapsed = time.perf_counter() - started
    await near.stop()
    await far.stop()
    return count / elapsed, delays


async def platform_calls(
    installation: Installation, customer: Customer, far: FarEnd, count: int, rate: float
) -> tuple[float, list[float]]:
    """Places `count` calls at `rate` a second, each with a sentence to speak. Calls a second, and POST to INVITE."""
    posted: dict[str, float] = {}
    actions = [{"say": {"text": "Habari."}}]
    before = far.ended

    async def place(index: int) -> None:
        await asyncio.sleep(index / rate)
        to = f"+2547120{index:05d}"
        posted[to] = time.perf_counter()
        await installation.api(
            "POST", "/v1/calls", customer.key, {"from": NUMBER, "to": to, "actions": actions}, expect=201
        )

    started = time.perf_counter()
    await asyncio.gather(*(place(index) for index in range(count)))
    async with asyncio.timeout(120):
        while far.ended - before < count:
            await asyncio.sleep(0.02)
    elapsed = time.perf_counter() - started
    return count / elapsed, [far.invited[to] - at for to, at in posted.items()]


def row(values: Sequence[float]) -> tuple[str, str]:
    ordered = sorted(values)
    return f"{statistics.median(ordered) * 1000:.1f}", f"{ordered[int(len(ordered) * 0.95)] * 1000:.1f}"


class Receiver:
    """Takes webhooks and counts them."""

    def __init__(self) -> None:
        self.taken = 0
        self._runner: web.AppRunner | None = None

    async def start(self) -> str:
        """Where it listens."""
        application = web.Application()
        application.router.add_post("/hook", self._take)
        self._runner = web.AppRunner(application, access_log=None)
        await self._runner.setup()
        port = free_ports(1)[0]
        await web.TCPSite(self._runner, "127.0.0.1", port).start()
        return f"http://127.0.0.1:{port}/hook"

    async def stop(self) -> None:
        if self._runner is not None:
            await self._runner.cleanup()

    async def _take(self, request: web.Request) -> web.Response:
        await request.read()
        self.taken += 1
        return web.Response(status=204)


async def measure(calls: int, rate: float, *, webhooks: bool) -> None:
    folder = Path(tempfile.mkdtemp(prefix="skb-"))
    installation = Installation(folder / "data")
    far, agent, receiver = FarEnd(), None, Receiver()
    console = Console(width=100)
    try:
        console.print("Starting an installation …")
        await installation.start()
        port = free_ports(1)[0]
        await installation.command(
            "trunk", "add", "bench", "--host", "127.0.0.1", "--port", str(port), "--transport", "udp"
        )
        agent = UserAgent(on_invite=far.take)
        await agent.start(("127.0.0.1", port))
        listing = folder / "numbers.csv"
        listing.write_text(f"e164,type,locality,monthly_price_minor\n{NUMBER},local,Nairobi,10000\n")
        await installation.command("inventory", "import", str(listing))
        customer = await installation.customer("Bench", funds_minor=100_000_000)
        routing = {"events_url": await receiver.start()} if webhooks else {}
        await installation.number(customer, NUMBER, **routing)
        limits = ("--calls-per-second", "1000", "--concurrent", "1000")
        await installation.command("workspace", "limit", customer.workspace_id, "--mode", "live", *limits)
        await platform_calls(installation, customer, far, 5, 5)  # warms the speech cache and the pools
        far.to_audio.clear()
        console.print(f"{calls} calls at {rate:g} a second …")
        bare_rate, bare_delays = await bare_calls(calls)
        idle_from = await processor_time.read(installation)
        await asyncio.sleep(IDLE_S)
        before = idle_to = await processor_time.read(installation)
        gentle_rate, delays = await platform_calls(installation, customer, far, calls, rate)
        audio = list(far.to_audio)
        await asyncio.sleep(SETTLED_S)
        after = await processor_time.read(installation)
        costs = processor_time.per_call(installation, (idle_from, idle_to), (before, after), calls)
        console.print(f"{calls} calls as fast as they go …")
        before = await processor_time.read(installation)
        full_rate, full_delays = await platform_calls(installation, customer, far, calls, 1e9)
        await asyncio.sleep(SETTLED_S)
        after = await processor_time.read(installation)
        full_costs = processor_time.per_call(installation, (idle_from, idle_to), (before, after), calls)
    finally:
        await receiver.stop()
        await installation.stop()
        if agent is not None:
            await agent.stop()
        shutil.rmtree(folder, ignore_errors=True)
    table = Table("what", "calls/s", "to INVITE p50 ms", "p95 ms", "of bare")
    table.add_row("two bare user agents, one after the other", f"{bare_rate:.0f}", *row(bare_delays), "")
    table.add_row(f"platform at {rate:g}/s", f"{gentle_rate:.1f}", *row(delays), "")
    table.add_row(
        "platform, as fast as it goes", f"{full_rate:.1f}", *row(full_delays), f"{full_rate / bare_rate:.0%}"
    )
    console.print(table)
    median, high = row(audio)
    for title, spent in ((f"at {rate:g} a second", costs), ("as fast as they go", full_costs)):
        spent.title = f"Where the time of a call goes, {title}"
        console.print(spent)
    if webhooks:
        console.print(f"webhooks received: {receiver.taken}")
    console.print(f"200 OK to the first packet of sound: p50 {median} ms, p95 {high} ms")


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--calls", type=int, default=100)
    parser.add_argument("--rate", type=float, default=10)
    parser.add_argument("--webhooks", action="store_true", help="the events of the calls are delivered too")
    arguments = parser.parse_args()
    uvloop.run(measure(arguments.calls, arguments.rate, webhooks=arguments.webhooks))


if __name__ == "__main__":
    main()
