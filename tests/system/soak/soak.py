"""Many calls of every kind through a real installation; and what is left when they are over."""

import asyncio
import itertools
import random
import time
from collections import Counter
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path

from system.baresip import sip_port
from system.installation import Installation
from system.soak import gauges, kinds
from system.soak.party import Ears, Party
from system.soak.vanishing import VanishingPhone

LIVE_NUMBER, TEST_NUMBER = "+254207000001", "+254200000001"
_SEED = 20261124


@dataclass
class Soaked:
    """What a soak found. `left` are the gauges that did not go back to zero; `descriptors` those open more at the
    end than before, by process; `seconds` is how long the calls took, without the wait for the last to fade away."""

    calls: int = 0
    seconds: float = 0.0
    kinds: Counter[str] = field(default_factory=Counter)
    statuses: dict[str, int] = field(default_factory=dict)
    without_one_final_event: int = 0
    delivered_final_events: Counter[int] = field(default_factory=Counter)
    left: dict[str, int] = field(default_factory=dict)
    descriptors: dict[str, int] = field(default_factory=dict)
    problems: list[str] = field(default_factory=list)
    books_are_right: bool = False
    idle_after_s: float = 0.0


class Soak:
    """`live` is None where no call is to be cut off."""

    def __init__(self, running: Installation, test: Party, live: Party | None, *, at_once: int) -> None:
        self._running = running
        self._test = test
        self._live = live
        self._at_once = at_once
        self._ended = 0
        self.memory = gauges.Memory(running)
        self.found = Soaked()

    async def run(self, count: int, tell: Callable[[str], None] = lambda _: None) -> Soaked:
        """Places `count` calls or a few more, and waits until nothing goes on. `tell` is told how far it is."""
        await asyncio.gather(*(self._one(kind, self._test, -1 - n) for n, kind in enumerate(kinds.SHARES)))
        before = gauges.descriptors(self._running)  # now that every pool is filled and every helper started
        started = time.monotonic()
        told = asyncio.create_task(self._keep_sampling(count, tell))
        cut_off = asyncio.create_task(self._cut_off(max(2, count // 500)))
        work = self._works(count)
        try:
            await asyncio.gather(*(self._keep_calling(work) for _ in range(self._at_once)))
            await cut_off
        finally:
            told.cancel()
            cut_off.cancel()
        self.found.seconds = time.monotonic() - started
        await self._fade()
        after = gauges.descriptors(self._running)
        self.found.descriptors = {name: now - before.get(name, 0) for name, now in after.items()}
        self.found.without_one_final_event, self.found.statuses = await gauges.outcomes(self._running)
        self.found.calls = sum(self.found.statuses.values())
        self.found.delivered_final_events = Counter(self._test.ears.finals.values())
        audited = await self._running.command("ledger", "audit")
        self.found.books_are_right = audited["findings"] == []
        return self.found

    def _works(self, count: int) -> "itertools.chain[tuple[kinds.Kind, int]]":
        """Kinds by their shares, mixed, each with a number of its own."""
        hundred = [kind for kind, share in kinds.SHARES.items() for _ in range(share)]
        mixed = random.Random(_SEED)
        chosen: list[kinds.Kind] = []
        while len(chosen) < count:
            mixed.shuffle(hundred)
            chosen += hundred
        return itertools.chain(zip(chosen[:count], itertools.count()))

    async def _keep_calling(self, works: "itertools.chain[tuple[kinds.Kind, int]]") -> None:
        for kind, index in works:
            await self._one(kind, self._test, index)

    async def _one(self, kind: kinds.Kind, party: Party, index: int) -> None:
        self.found.kinds[kind.__name__] += 1
        try:
            await kind(party, index)
        except (AssertionError, TimeoutError) as error:
            self.found.problems.append(f"{kind.__name__} {index}: {error}")
        self._ended += 1

    async def _cut_off(self, count: int) -> None:
        """Calls over the trunk whose far end answers and is gone: its BYE never comes, or ours gets no answer."""
        if self._live is not None:
            pairs = ((kinds.far_end_gone, kinds.bye_unanswered)[index % 2] for index in range(count))
            live = self._live
            await asyncio.gather(*(self._one(kind, live, index) for index, kind in enumerate(pairs)))

    async def _keep_sampling(self, count: int, tell: Callable[[str], None]) -> None:
        for beat in itertools.count():
            self.memory.sample(self._ended)
            if beat % 6 == 0:
                tell(f"{self._ended} of {count}, {len(self.found.problems)} problems")
            await asyncio.sleep(5)

    async def _fade(self, within_s: float = 90) -> None:
        """Transactions linger for 32 s, a webhook may wait for its next attempt."""
        started = time.monotonic()
        while True:
            held = await gauges.everything(self._running)
            self.found.left = {name: value for name, value in held.items() if value}
            self.found.idle_after_s = time.monotonic() - started
            if not self.found.left or self.found.idle_after_s > within_s:
                self.memory.sample(self._ended)
                return
            await asyncio.sleep(1)


@asynccontextmanager
async def prepared(folder: Path, *, at_once: int, cut_off: bool) -> AsyncIterator[Soak]:
    """An installation of its own with raised limits, a customer in test mode, and, where calls are to be cut off,
    one in live mode with a trunk to a phone that vanishes."""
    settings = {
        "SAUTIKIT_VOICE_CAPACITY": "1000",
        "SAUTIKIT_RATE_LIMIT": "10000/10000",
        "SAUTIKIT_API_WORKERS": "1",
    }
    running, ears, phone = Installation(folder / "data", settings), Ears(), VanishingPhone()
    ears.flows["menu"] = kinds.menu
    await ears.start()
    try:
        await running.start()
        test = await _party(running, ears, "test", TEST_NUMBER)
        live = None
        if cut_off:
            trunk = sip_port()
            await phone.start(trunk)
            await running.command(
                *(
                    "trunk",
                    "add",
                    "vanishing",
                    "--host",
                    "127.0.0.1",
                    "--port",
                    str(trunk),
                    "--transport",
                    "udp",
                )
            )
            listing = folder / "numbers.csv"
            listing.write_text(f"e164,type,locality,monthly_price_minor\n{LIVE_NUMBER},local,Nairobi,10000\n")
            await running.command("inventory", "import", str(listing))
            live = await _party(running, ears, "live", LIVE_NUMBER)
        yield Soak(running, test, live, at_once=at_once)
    finally:
        await running.stop()
        await ears.stop()
        phone.stop()


async def _party(running: Installation, ears: Ears, mode: str, number: str) -> Party:
    customer = await running.customer(f"Soak {mode}", mode)
    workspace = ("--workspace", customer.workspace_id, "--mode", mode)
    money = ("--amount-minor", "100000000", "--reason", "for the soak")
    await running.command("wallet", "adjust", *workspace, *money)
    limits: Sequence[str] = ("--calls-per-second", "1000", "--concurrent", "1000")
    await running.command("workspace", "limit", customer.workspace_id, "--mode", mode, *limits)
    routing = {"voice_callback_url": f"{ears.url}/voice/menu", "events_url": f"{ears.url}/hook"}
    await running.number(customer, number, **(routing if mode == "test" else {}))
    return Party(running, customer, ears, number)
