"""A day at a payment desk where everything goes wrong, from one seed: every fault, workers dying, books held to the truth."""

import asyncio
import random
from collections import Counter
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any
from uuid import UUID

from payments.office import Office
from sautikitd.database.pool import DatabaseUnavailable
from sautikitd.identity.audit import OPERATOR
from sautikitd.identity.workspaces import Workspace
from sautikitd.payments.models import SuspenseReason
from sautikitd.simulators.daraja.behaviours import Answer, Behaviour, InFlight
from sautikitd.simulators.daraja.pushes import Registration

_WAVE = 25
_WORKERS = 3
_RESULTS = (
    "0",
    "0",
    "0",
    "0",
    "1",
    "17",
    "1001",
    "1019",
    "1025",
    "1032",
    "1037",
    "2001",
    "9999",
    "SFC_IC0003",
)


@dataclass
class Chaos:
    office: Office
    random: random.Random
    payments: int
    workspaces: list[Workspace] = field(default_factory=list)
    keys: list[str] = field(default_factory=list)
    asked: int = 0
    done: Counter[str] = field(default_factory=Counter)
    _workers: list["asyncio.Task[None]"] = field(default_factory=list)

    async def run(self) -> None:
        """All the payments, then two days and more of calm, then staff."""
        office = self.office
        for n in range(3):
            workspace = await office.platform.workspace(f"Desk {n}", f"desk{n}@example.co.ke")
            self.workspaces.append(workspace)
            self.keys.append((await office.platform.key(workspace.id)).key)
        self._let_unknown_accounts_through()
        await office.parts.sweeps.work()
        self._workers = [asyncio.create_task(self._work()) for _ in range(_WORKERS)]
        killing = asyncio.create_task(self._kill())
        try:
            while self.asked < self.payments:
                await self._wave()
                office.clock.advance(self.random.uniform(5, 90))
            await self._calm(hours=2)
        finally:
            for task in (killing, *self._workers):
                task.cancel()
            await asyncio.gather(killing, *self._workers, return_exceptions=True)
        for _ in range(52):
            await office.later(hours=1)
        await self._decide()

    def _let_unknown_accounts_through(self) -> None:
        """Nobody answers validations, so that money arrives for accounts nobody has."""
        base, paths = self.office.url, self.office.paths
        confirmation = base + paths.paybill("test", "confirmation")
        self.office.mpesa.registration = Registration(confirmation, "http://127.0.0.1:9/", "Completed", True)

    async def _wave(self) -> None:
        count = min(_WAVE, self.payments - self.asked)
        await asyncio.gather(*(self._one(self.asked + n) for n in range(count)))
        self.asked += count
        if self.random.random() < 0.3:
            self.office.simulator.api.expire_token()
            self.done["tokens killed"] += 1
        await self._calm()

    async def _one(self, n: int) -> None:
        phone, shillings = f"+254712{n:06d}", self.random.randint(1, 5_000)
        behaviour = self._behaviour()
        self.office.mpesa.scripts[phone[1:]] = behaviour
        which = self.random.randrange(len(self.workspaces))
        if self.random.random() < 0.25:
            await self._by_hand(phone[1:], shillings, self._typed(self.workspaces[which]))
            return
        answer = await self.office.ask(phone, shillings, {"Authorization": f"Bearer {self.keys[which]}"})
        assert answer.status_code == 201, answer.text
        self.done["pushes asked for"] += 1
        if self.random.random() < 0.05:
            reference = answer.json()["topup"]["reference"]
            await self._by_hand(phone[1:], shillings, reference.lower())
            self.done["paid by hand besides"] += 1

    async def _by_hand(self, phone: str, shillings: int, reference: str) -> None:
        await self.office.mpesa.pay_paybill(phone, shillings, reference)
        self.done["paid at the Paybill"] += 1

    def _typed(self, workspace: Workspace) -> str:
        ref = workspace.mpesa_account_ref
        return self.random.choice(
            [ref, ref, f"{ref[:4]} {ref[4:]}", f"{ref[:4]}-{ref[4:]}", "rent", f"{int(ref) + 1}"]
        )

    def _behaviour(self) -> Behaviour:
        chance = self.random.random
        result = self.random.choice(_RESULTS)
        answer = self.random.choice([Answer.OK] * 6 + list(Answer))
        turned_down = answer in (Answer.SPIKE, Answer.ENVELOPE)
        behaviour = Behaviour(
            result=result,
            answer=answer,
            taken=not turned_down and (answer is not Answer.HTML or chance() < 0.5),
            callbacks=self.random.choice([0, 1, 1, 1, 2, 3]),
            callback_first=chance() < 0.1,
            late=chance() < 0.15,
            extra_shillings=self.random.choice([0] * 12 + [1, 7]),
            confirmations=self.random.choice([0, 0, 1, 2]),
            pays_late=result != "0" and chance() < 0.2,
            in_flight=self.random.choice(list(InFlight)),
            query_faults=self.random.choice([0, 0, 0, 1, 3]),
        )
        if behaviour.callback_first and not behaviour.callbacks:
            behaviour = Behaviour(result=result, callbacks=1, callback_first=True)
        for name, told in (
            ("answers lost", answer is Answer.LOST),
            ("HTML pages", answer is Answer.HTML),
            ("envelopes with 200", answer is Answer.ENVELOPE),
            ("spike arrests", answer is Answer.SPIKE),
            ("callbacks lost", not behaviour.callbacks),
            ("callbacks repeated", behaviour.callbacks > 1),
            ("callbacks late", behaviour.late),
            ("callbacks before the response", behaviour.callback_first),
            ("other amounts", bool(behaviour.extra_shillings)),
            ("paid after failing", behaviour.pays_late),
        ):
            self.done[name] += told
        return behaviour

    async def _work(self) -> None:
        """What a worker process does, without its waits."""
        parts = self.office.parts
        while True:
            with suppress(*DatabaseUnavailable):
                worked = (
                    await parts.inbox.work_one() + await parts.pusher.work() + await parts.reconciler.work()
                )
                await parts.pusher.forsake()
                await parts.reconciler.release_prompts()
                await parts.sweeps.work()
                if not worked:
                    await asyncio.sleep(0.005)

    async def _kill(self) -> None:
        """Workers die anywhere, also between a push and the note of it."""
        while True:
            await asyncio.sleep(self.random.uniform(0.01, 0.06))
            n = self.random.randrange(_WORKERS)
            self._workers[n].cancel()
            await asyncio.gather(self._workers[n], return_exceptions=True)
            self._workers[n] = asyncio.create_task(self._work())
            self.done["workers killed"] += 1

    async def _calm(self, hours: int = 0) -> None:
        """Until the phones are quiet; then hours pass."""
        while self.office.mpesa.busy:
            await asyncio.sleep(0.005)
        for _ in range(hours * 4):
            self.office.clock.advance(900)
            await asyncio.sleep(0.02)

    async def _decide(self) -> None:
        """Staff assigns half of what is in suspense and sends some of the rest back."""
        office = self.office
        async with office.database.connection() as connection:
            cases = await connection.fetch(
                "SELECT id, reason FROM suspense_cases WHERE state = 'open' ORDER BY id"
            )
        for case in cases:
            chosen = self.random.random()
            async with office.database.transaction() as connection:
                if chosen < 0.5:
                    workspace = self.random.choice(self.workspaces)
                    await office.suspense.assign(connection, case["id"], workspace.id, "Chaos", OPERATOR)
                    self.done["cases assigned"] += 1
                elif chosen < 0.8 and case["reason"] != SuspenseReason.DIFFERENCE:
                    await office.suspense.reverse(connection, case["id"], "Chaos", OPERATOR)
                    self.done["cases sent back"] += 1


@dataclass(frozen=True, kw_only=True)
class Verdict:
    """The truth of the simulator against our books, in KES cents."""

    received: dict[str, int]
    found: dict[str, tuple[int, str]]
    wallets: int
    suspense: int
    sent_back: int
    twice_pushed: int
    unfinished: list[UUID]
    without_receipt: list[UUID]
    successes: int
    success_events: int

    @property
    def missing(self) -> set[str]:
        return self.received.keys() - self.found.keys()

    @property
    def invented(self) -> set[str]:
        return self.found.keys() - self.received.keys()


async def verdict_on(chaos: Chaos) -> Verdict:
    office = chaos.office
    async with office.database.connection() as connection:
        rows = await connection.fetch(
            "SELECT receipt, amount_minor, place FROM mpesa_receipts WHERE mode = 'test'"
        )
        wallets = sum([await chaos.office.platform.balance(w.id, "test") - 100_000 for w in chaos.workspaces])
        figures: Any = await connection.fetchrow(_FIGURES)
    references = Counter(prompt.reference for prompt in office.mpesa.prompts.values())
    return Verdict(
        received={paid.receipt: paid.shillings * 100 for paid in office.mpesa.paid},
        found={row["receipt"]: (row["amount_minor"], row["place"]) for row in rows},
        wallets=wallets,
        suspense=figures["suspense"],
        sent_back=sum(row["amount_minor"] for row in rows if row["place"] == "reversed"),
        twice_pushed=sum(1 for count in references.values() if count > 1),
        unfinished=figures["unfinished"],
        without_receipt=figures["without_receipt"],
        successes=figures["successes"],
        success_events=figures["success_events"],
    )


_FIGURES = """
SELECT (SELECT coalesce(sum(amount_minor), 0)::bigint FROM suspense_cases WHERE state = 'open') AS suspense,
       coalesce(array_agg(id) FILTER (WHERE status = 'pending'), '{}') AS unfinished,
       coalesce(array_agg(id) FILTER (WHERE status = 'succeeded' AND receipt IS NULL), '{}') AS without_receipt,
       count(*) FILTER (WHERE status = 'succeeded') AS successes,
       (SELECT count(*) FROM events WHERE kind = 'wallet.top_up') AS success_events
FROM topups
"""
