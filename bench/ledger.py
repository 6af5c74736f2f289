"""Holds and settlements per second, on one hot wallet and over a thousand, beside pgbench running the same statements.

    python bench/ledger.py [--seconds 4] [--rounds 3] [--clients 16] [--waiting 2000] [--only "1,000 wallets"]

Shapes: `hold`, one statement that commits by itself; `25 holds together`, as a claim takes the calls of a rush, of one
wallet or of as many as there are, each counted; and `hold, settle`, calls' money in two transactions, each counted, one
by one or 25 together, as a voice node closes the calls that end in a rush.

Coroutines enough for `--waiting` calls share `--clients` connections; pgbench has as many connections, with the settings
of a voice node's as ours. The two sides take turns, `--rounds` times, each with new connections, and the medians are
told: on a busy machine only their ratio and the processor time mean anything. What is together costs pgbench's server a
little more, which has to make up the arrays. One wallet's transactions commit one after the other, each with a write to
disk of its own, so that none of the two can be faster than the disk: how long it takes is told as well.

Afterwards `--waiting` coroutines ask at once for holds of a wallet that bears a tenth of them, and the books are
audited. The status is 1 where a hold too many was taken or the audit finds anything.
"""

import argparse
import asyncio
import os
import re
import subprocess
import sys
import tempfile
import time
from collections.abc import AsyncIterator, Iterable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from statistics import median
from uuid import UUID

import asyncpg
import uvloop
from rich.console import Console
from rich.table import Table

from sautikitd.clock import SystemClock
from sautikitd.database.embedded import EmbeddedPostgres, _binaries
from sautikitd.database.migrate import migrate_async
from sautikitd.database.pool import Connection, Database
from sautikitd.events.models import Event
from sautikitd.ids import uuid7
from sautikitd.node.claims import GATHER_S, LARGEST_CLAIM
from sautikitd.node.committing import GATHER_S as APART_S
from sautikitd.wallet import hold_repository
from sautikitd.wallet.audit import audit
from sautikitd.wallet.errors import InsufficientFunds
from sautikitd.wallet.models import Account, Bill, Cause, Details, EntryType, Wish
from sautikitd.wallet.service import Wallets

sys.path.insert(0, str(Path(__file__).with_name("database")))

from server_time import Spent, reading

WALLETS = 1_000
HELD, PAID = 300, 100
DETAILS = Details(description="Bench call")
TOGETHER = LARGEST_CLAIM
ALONE = EntryType.RENTAL  # of holds that stay open: the audit looks for the call of every call's hold


# When the product does which, told below the table: `calls/claiming.py`, `node/committing.py` and `calls/charging.py` say how.
AS_THE_PRODUCT = f"""\
In the product a rush goes together: a voice node claims up to {LARGEST_CLAIM} calls every {1_000 * GATHER_S:.0f} ms and holds
for them in one statement, and settles those that ended within {1_000 * APART_S:.0f} ms in one. What comes alone takes the
single statements: a call that ends by itself, a leg added by a dial, a call from a device."""


class NoEvents:
    async def record(self, connection: Connection, event: Event) -> None:
        return


def workspace(number: int) -> UUID:
    """The same ids in Python and in pgbench's script."""
    return UUID(f"00000000-0000-7000-8000-{number:012}")


@asynccontextmanager
async def postgres() -> AsyncIterator[EmbeddedPostgres]:
    """In a fresh folder; it times what it writes to disk."""
    with tempfile.TemporaryDirectory(prefix="sk-bench-") as folder:
        server = EmbeddedPostgres(Path(folder) / "pg")
        await server.start()
        try:
            await migrate_async(server.url("sautikit_owner"))
            superuser = await asyncpg.connect(server.url("postgres"))
            await superuser.execute("ALTER SYSTEM SET track_wal_io_timing = on")
            await superuser.execute("SELECT pg_reload_conf()")
            await superuser.close()
            yield server
        finally:
            await server.stop()


async def open_wallets(database: Database, wallets: Wallets, numbers: Iterable[int], money: int) -> None:
    async with database.transaction() as connection:
        for number in numbers:
            account = Account(workspace(number), "live")
            await connection.execute(
                "INSERT INTO workspaces (id, name, slug, mpesa_account_ref) VALUES ($1, 'Bench', $2, $2)",
                account.workspace_id,
                str(number),
            )
            await wallets.open_wallets(connection, account.workspace_id)
            cause = Cause(EntryType.TOP_UP, str(number))
            await wallets.credit(connection, account, cause, money, Details(description="Bench money"))


class Run:
    """What one side does over and over, by its shape."""

    def __init__(self, database: Database, wallets: Wallets, shape: "Shape") -> None:
        self._database = database
        self._wallets = wallets
        self._shape = shape
        self._accounts = [Account(workspace(number), "live") for number in range(1, shape.among + 1)]
        self._next = 0
        self.latencies: list[float] = []

    async def go(self, seconds: float, waiting: int) -> float:
        """Transactions per second."""
        started = time.perf_counter()
        until = started + seconds
        await asyncio.gather(*(self._client(until) for _ in range(waiting)))
        return len(self.latencies) / (time.perf_counter() - started)

    async def _client(self, until: float) -> None:
        while time.perf_counter() < until:
            causes = [str(uuid7()) for _ in range(self._shape.together)]
            if self._shape.together > 1:
                await self._together([Wish(self._account(), cause, HELD) for cause in causes])
                continue
            account, cause = self._account(), Cause(self._shape.kind, causes[0])
            async with self._timed() as connection:
                await self._wallets.hold(connection, account, cause, HELD)
            if self._shape.settles:
                async with self._timed() as connection:
                    await self._wallets.settle(connection, cause, PAID, DETAILS)

    async def _together(self, wishes: list[Wish]) -> None:
        async with self._timed() as connection:
            await self._wallets.hold_many(connection, self._shape.kind, wishes)
        if self._shape.settles:
            bills = [Bill(cause_id=wish.cause_id, cost_minor=PAID, details=DETAILS) for wish in wishes]
            async with self._timed() as connection:
                await self._wallets.settle_many(connection, self._shape.kind, bills)

    def _account(self) -> Account:
        self._next = (self._next + 1) % self._shape.among
        return self._accounts[self._next]

    @asynccontextmanager
    async def _timed(self) -> AsyncIterator[Connection]:
        """From having a connection to having committed."""
        async with self._database.connection() as connection:
            started = time.perf_counter()
            if self._shape.settles:
                async with connection.transaction():
                    yield connection
            else:
                yield connection
            self.latencies += [time.perf_counter() - started] * self._shape.together

    def percentile(self, share: float) -> float:
        """Milliseconds."""
        ordered = sorted(self.latencies)
        return 1_000 * ordered[min(len(ordered) - 1, int(len(ordered) * share))]


async def crowd(database: Database, wallets: Wallets, account: Account, waiting: int) -> tuple[int, int]:
    """All ask at once for a hold of a wallet that cannot bear them all: how many had one, and how many were refused."""

    async def ask() -> bool:
        async with database.transaction() as connection:
            try:
                await wallets.hold(connection, account, Cause(ALONE, str(uuid7())), HELD)
            except InsufficientFunds:
                return False
            return True

    outcomes = await asyncio.gather(*(ask() for _ in range(waiting)))
    return outcomes.count(True), outcomes.count(False)


def script(shape: "Shape") -> str:
    """The parameters filled in. A hold by itself, several in one statement, or holds and their settlement, each in a
    transaction. Wallets follow one another from one that is drawn."""

    def each(expression: str) -> str:
        """An array of it, `n` going from 1 to as many as are together."""
        return f"(SELECT array_agg({expression}) FROM generate_series(1, {shape.together}) AS n)"

    def all_of(value: str) -> str:
        return f"array_fill({value}, ARRAY[{shape.together}])"

    kind, cause = f"'{shape.kind}'", ":cause || '/' || n"
    place = f"'00000000-0000-7000-8000-' || lpad((1 + (:w + n) % {shape.among})::text, 12, '0')"
    if shape.together > 1:
        wanted = [each(f"({place})::uuid"), all_of("'live'::text"), each(cause), all_of(f"{HELD}::bigint")]
        hold = _filled(hold_repository.TAKE_MANY, [kind, *wanted, "now()"])
    else:
        wallet = f"({place.replace(' + n', '')})::uuid"
        hold = _filled(hold_repository.TAKE, [wallet, "'live'", kind, ":cause || '/1'", str(HELD), "now()"])
    chosen = f"\\set w random(1, {shape.among})\n\\set cause random(1, 9000000000000000000)\n"
    if not shape.settles:
        return f"{chosen}{hold};\n"
    if shape.together > 1:
        own = [each(cause), all_of(f"{PAID}::bigint"), each(f"md5({cause})::uuid")]
        own += [all_of("'Bench call'::text"), all_of("''::text"), *[all_of("NULL::uuid")] * 3]
        settle = _filled(hold_repository.SETTLE_MANY, [kind, *own, "now()", "'revenue.calls'"])
    else:
        entry = ["md5(:cause::text)::uuid", "'revenue.calls'", "'Bench call'", "''", *["NULL::uuid"] * 3]
        settle = _filled(hold_repository.SETTLE, [kind, ":cause || '/1'", str(PAID), "now()", *entry])
    return f"{chosen}BEGIN;\n{hold};\nEND;\nBEGIN;\n{settle};\nEND;\n"


def _filled(statement: str, values: Sequence[str]) -> str:
    one_line = " ".join(line for line in statement.split("\n") if not line.startswith("--"))
    return re.sub(r"\$(\d+)", lambda match: values[int(match[1]) - 1], one_line).strip()


# What a voice node's connections are told (`keep_plans`), and so ours.
_AS_A_NODE = {"PGOPTIONS": "-c plan_cache_mode=force_generic_plan -c enable_seqscan=off"}


async def pgbench(url: str, shape: "Shape", seconds: int, clients: int) -> float:
    """Transactions per second."""
    with tempfile.NamedTemporaryFile("w", suffix=".sql") as file:
        file.write(script(shape))
        file.flush()
        options = ["-n", "-M", "prepared", "-f", file.name, "-c", str(clients), "-j", "2", "-T", str(seconds)]
        command = [str(_binaries() / "pgbench"), *options, url]
        done = await asyncio.to_thread(
            subprocess.run, command, capture_output=True, text=True, check=False, env=os.environ | _AS_A_NODE
        )
    found = re.search(r"tps = ([\d.]+)", done.stdout)
    if done.returncode or not found:
        raise RuntimeError(f"pgbench failed:\n{done.stdout}{done.stderr}")
    return float(found[1]) * shape.together * (2 if shape.settles else 1)


@dataclass(frozen=True)
class Shape:
    """`among` so many wallets; `together` so many holds in one statement; `settles`: they are settled after it, each of
    the two in a transaction."""

    name: str
    among: int = 1
    together: int = 1
    settles: bool = False

    @property
    def kind(self) -> EntryType:
        return EntryType.CALL if self.settles else ALONE


SHAPES = tuple(
    Shape(f"{names[together > 1]}, {where}", among, together, settles)
    for among, where in ((1, "one hot wallet"), (WALLETS, f"{WALLETS:,} wallets"))
    for settles, names in (
        (False, ("hold", f"{TOGETHER} holds together")),
        (True, ("hold, settle", f"{TOGETHER} holds, settled together")),
    )
    for together in (1, TOGETHER)
)


@dataclass(frozen=True)
class Turn:
    """What one side did in its turn; the percentiles, in milliseconds, are ours alone."""

    per_second: float
    spent: Spent
    p50: float = 0.0
    p99: float = 0.0

    @property
    def count(self) -> float:
        return self.per_second * self.spent.wall


class Bench:
    def __init__(
        self, server: EmbeddedPostgres, database: Database, superuser: Connection, chosen: argparse.Namespace
    ):
        self._server = server
        self._database = database
        self._superuser = superuser
        self._chosen = chosen
        self._wallets = Wallets(NoEvents(), SystemClock())
        pid = (server.folder / "cluster" / "postmaster.pid").read_text().splitlines()[0]
        self._postmaster = int(pid)

    async def run(self) -> int:
        await open_wallets(self._database, self._wallets, range(1, WALLETS + 1), 10**12)
        table = _table()
        for shape in (one for one in SHAPES if self._chosen.only in one.name):
            turns = [await self._round(shape) for _ in range(self._chosen.rounds)]
            _row(table, shape.name, [ours for ours, _ in turns], [theirs for _, theirs in turns])
        Console(width=175).print(table)
        print(AS_THE_PRODUCT)
        return await self._overdrawn() + await self._wrong()

    async def _round(self, shape: Shape) -> tuple[Turn, Turn]:
        """Both sides come with connections that have planned nothing yet."""
        seconds, clients = self._chosen.seconds, self._chosen.clients
        before = await reading(self._superuser, self._postmaster)
        database = await Database.connect(
            self._server.url(), minimum=clients, maximum=clients, keep_plans=True
        )
        run = Run(database, self._wallets, shape)
        reached = await run.go(seconds, max(clients, self._chosen.waiting // shape.together))
        await database.close()
        between = await reading(self._superuser, self._postmaster)
        theirs = await pgbench(self._server.url(), shape, seconds, clients)
        after = await reading(self._superuser, self._postmaster)
        ours = Turn(reached, between.since(before), run.percentile(0.5), run.percentile(0.99))
        return ours, Turn(theirs, after.since(between))

    async def _overdrawn(self) -> int:
        """Whether a crowd on a small wallet got one hold more, or less, than it could bear."""
        waiting = self._chosen.waiting
        bears = waiting // 10
        account = Account(workspace(WALLETS + 1), "live")
        await open_wallets(self._database, self._wallets, [WALLETS + 1], bears * HELD + HELD - 1)
        taken, refused = await crowd(self._database, self._wallets, account, waiting)
        async with self._database.connection() as connection:
            left = (await self._wallets.balance(connection, account)).available_minor
        print(
            f"{waiting:,} at once on money for {bears:,}: {taken:,} holds, {refused:,} refused, {left} left"
        )
        return int((taken, refused, left) != (bears, waiting - bears, HELD - 1))

    async def _wrong(self) -> int:
        async with self._database.connection() as connection:
            findings = await audit(connection)
        for finding in findings:
            print(f"AUDIT: {finding.rule}: {finding.row}: {finding.problem}")
        print("audit: " + (f"{len(findings)} findings" if findings else "the books are right"))
        return int(bool(findings))


def _table() -> Table:
    table = Table("per second", title="medians of the rounds", title_justify="left")
    for name in (
        "ours",
        "pgbench",
        "ratio",
        "p50, p99 ms",
        "client µs: ours",
        "pgbench",
        "server µs: ours",
        "pgbench",
    ):
        table.add_column(name, justify="right")
    table.add_column("syncs each, ms, share of time", justify="right")
    return table


def _row(table: Table, name: str, ours: list[Turn], theirs: list[Turn]) -> None:
    table.add_row(
        name,
        f"{median(turn.per_second for turn in ours):,.0f}",
        f"{median(turn.per_second for turn in theirs):,.0f}",
        f"{median(one.per_second / other.per_second for one, other in zip(ours, theirs, strict=True)):.0%}",
        f"{median(turn.p50 for turn in ours):.1f}, {median(turn.p99 for turn in ours):.1f}",
        *(
            f"{median(1e6 * turn.spent.client / turn.count for turn in turns):.0f}"
            for turns in (ours, theirs)
        ),
        *(
            f"{median(1e6 * turn.spent.server / turn.count for turn in turns):.0f}"
            for turns in (ours, theirs)
        ),
        f"{median(turn.spent.fsyncs / turn.count for turn in ours):.2f}, "
        f"{median(1e3 * turn.spent.syncing / max(turn.spent.fsyncs, 1) for turn in ours):.2f}, "
        f"{median(turn.spent.syncing / turn.spent.wall for turn in ours):.0%}",
    )


async def bench(chosen: argparse.Namespace) -> int:
    print(
        f"{chosen.clients} connections, {chosen.waiting:,} waiting, {chosen.rounds} rounds of {chosen.seconds} s; "
        f"load average {os.getloadavg()[0]:.1f}"
    )
    async with postgres() as server:
        database = await Database.connect(server.url(), minimum=chosen.clients, maximum=chosen.clients)
        superuser = await asyncpg.connect(server.url("postgres", "sautikit"))
        try:
            return min(1, await Bench(server, database, superuser, chosen).run())
        finally:
            await superuser.close()
            await database.close()


def main() -> int:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    for name, default in (("seconds", 4), ("rounds", 3), ("clients", 16), ("waiting", 2_000)):
        parser.add_argument(f"--{name}", type=int, default=default)
    parser.add_argument(
        "--only", default="", metavar="WORDS", help="the shapes with these words in their names"
    )
    chosen = parser.parse_args()
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        return runner.run(bench(chosen))


if __name__ == "__main__":
    sys.exit(main())
