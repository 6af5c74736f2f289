"""Provisional answers that must not get lost: 100rel and PRACK (RFC 3262), both sides' bookkeeping."""

import asyncio
import re
import secrets
from collections import deque
from collections.abc import Callable

import msgspec
from sipmessage import Response

from sautikitd.voice.sip.server_transaction import ServerTransaction
from sautikitd.voice.sip.timers import Cancellable, Scheduler, Timers
from sautikitd.voice.sip.wire import Arrival

MAX_RSEQ = 2**31 - 1  # of the first one; it may grow up to 2**32 - 1

_RACK = re.compile(r"(?P<rseq>[0-9]{1,10})\s+(?P<cseq>[0-9]{1,10})\s+(?P<method>\S+)")


class Rack(msgspec.Struct, frozen=True):
    """What a RAck header names: a provisional answer to a request (RFC 3262 §7.2)."""

    rseq: int
    cseq: int
    method: str

    def __str__(self) -> str:
        return f"{self.rseq} {self.cseq} {self.method}"


def read_rack(value: str) -> Rack | None:
    match = _RACK.fullmatch(value.strip())
    return Rack(int(match["rseq"]), int(match["cseq"]), match["method"]) if match else None


def rseq_of(response: Arrival) -> int | None:
    """The number of a provisional that wants a PRACK; None for one that wants none."""
    text = response.header("RSeq").strip()
    required = "100rel" in (tag.lower() for tag in response.listed("Require"))
    return int(text) if required and re.fullmatch("[0-9]{1,10}", text) and response.to.tag else None


class ReliableProvisionals:
    """Sends the provisional answers of one INVITE one after the other, each until its PRACK.

    `unacknowledged` is called once when no PRACK came within 64*T1 (§3).
    """

    def __init__(
        self,
        transaction: ServerTransaction,
        *,
        scheduler: Scheduler,
        timers: Timers,
        unacknowledged: Callable[[], None],
    ) -> None:
        self._transaction = transaction
        self._scheduler = scheduler
        self._timers = timers
        self._unacknowledged = unacknowledged
        self._rseq = secrets.randbelow(MAX_RSEQ) + 1
        self._open: Response | None = None
        self._waiting: deque[Response] = deque()
        self._rings: list[Cancellable] = []
        self._gap = timers.t1
        self._settled = asyncio.Event()
        self._settled.set()

    def send(self, response: Response) -> None:
        """At once, or after the PRACK of the one before it."""
        self._waiting.append(response)
        if self._open is None:
            self._next()

    async def settled(self) -> None:
        """Waits until all are confirmed: no 2xx may overtake a description (§3), and callers expect it of none."""
        await self._settled.wait()

    def acknowledge(self, rack: Rack | None) -> Response | None:
        """The provisional that the PRACK names; None when it names none that is open."""
        arrival, confirmed = self._transaction.arrival, self._open
        if confirmed is None or rack != Rack(self._rseq, arrival.cseq, "INVITE"):
            return None
        self._silence()
        self._open = None
        self._rseq += 1
        self._settled.set()
        if self._waiting:
            self._next()
        return confirmed

    def stop(self) -> None:
        """The final answer is there: nothing is repeated, but a PRACK that crosses it still fits."""
        self._silence()
        self._waiting.clear()
        self._settled.set()

    def _next(self) -> None:
        self._open = self._waiting.popleft()
        self._open.headers.set("Require", "100rel")
        self._open.headers.set("RSeq", str(self._rseq))
        self._settled.clear()
        self._gap = self._timers.t1
        deadline = self._scheduler.call_later(self._timers.transaction, self._give_up)
        self._rings = [deadline, self._scheduler.call_later(self._gap, self._repeat)]
        self._transaction.respond(self._open)

    def _repeat(self) -> None:
        """Doubles without a longest gap, unlike a 2xx (§3)."""
        if self._open is not None:
            self._transaction.respond(self._open)
            self._gap *= 2
            self._rings[1] = self._scheduler.call_later(self._gap, self._repeat)

    def _give_up(self) -> None:
        self.stop()
        self._unacknowledged()

    def _silence(self) -> None:
        for ring in self._rings:
            ring.cancel()
        self._rings.clear()
