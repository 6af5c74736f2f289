"""Holds and settlements per second: on one hot wallet and over a thousand, beside pgbench running the same statements.

    python bench/ledger.py [--seconds 5] [--clients 16] [--waiting 200]

Every round is a call's money: one transaction holds KES 3.00, a second settles at KES 1.00. PostgreSQL is our
embedded one with all its durability, in a fresh folder. `--waiting` coroutines share `--clients` connections.
Both sides use the same connections, one after the other; the books are audited at the end.
"""

import argparse
import asyncio
import os
import re
import subprocess
import sys
import tempfile
import time
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from uuid import UUID

import uvloop

from sautikitd.clock import SystemClock
from sautikitd.database.embedded import EmbeddedPostgres, _binaries
from sautikitd.database.migrate import migrate_async
from sautikitd.database.pool import Connection, Database
from sautikitd.events.models import Event
from sautikitd.ids import uuid7
from sautikitd.wallet import hold_repository
from sautikitd.wallet.audit import audit
from sautikitd.wallet.models import Account, Cause, Details, EntryType
from sautikitd.wallet.service import Wallets

WALLETS = 1_000
HELD, PAID = 300, 100
DETAILS = Details(description="Bench call")


class NoEvents:
    async def record(self, connection: Connection, event: Event) -> None:
        return


def workspace(number: int) -> UUID:
    """The same ids in Python and in pgbench's script."""
    return UUID(f"00000000-0000-7000-8000-{number:012}")


@asynccontextmanager
async def postgres() -> AsyncIterator[EmbeddedPostgres]:
    with tempfile.TemporaryDirectory(prefix="sk-bench-") as folder:
        server = EmbeddedPostgres(Path(folder) / "pg")
        await server.start()
        try:
            await migrate_async(server.url("sautikit_owner"))
            yield server
        finally:
            await server.stop()


async def open_rich_wallets(database: Database, wallets: Wallets) -> None:
    async with database.transaction() as connection:
        for number in range(1, WALLETS + 1):
            account = Account(workspace(number), "live")
            await connection.execute(
                "INSERT INTO workspaces (id, name, slug, mpesa_account_ref) VALUES ($1, 'Bench', $2, $2)",
                account.workspace_id,
                str(number),
            )
            await wallets.open_wallets(connection, account.workspace_id)
            cause = Cause(EntryType.TOP_UP, str(number))
            await wallets.credit(connection, account, cause, 10**12, Details(description="Bench money"))


class Run:
    """Our side: coroutines that hold and settle until the time is over."""

    def __init__(self, database: Database, wallets: Wallets, among: int) -> None:
        self._database = database
        self._wallets = wallets
        self._among = among
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
            self._next = self._next % self._among + 1
            account = Account(workspace(self._next), "live")
            cause = Cause(EntryType.CALL, str(uuid7()))
            async with self._timed() as connection:
                await self._wallets.hold(connection, account, cause, HELD)
            async with self._timed() as connection:
                await self._wallets.settle(connection, cause, PAID, DETAILS)

    @asynccontextmanager
    async def _timed(self) -> AsyncIterator[Connection]:
        """From having a connection to having committed."""
        async with self._database.connection() as connection:
            started = time.perf_counter()
            async with connection.transaction():
                yield connection
            self.latencies.append(time.perf_counter() - started)

    def percentile(self, share: float) -> float:
        """Milliseconds."""
        ordered = sorted(self.latencies)
        return 1_000 * ordered[min(len(ordered) - 1, int(len(ordered) * share))]


def script(among: int) -> str:
    """The repository's own statements, their parameters filled in for pgbench."""
    workspace_id = "('00000000-0000-7000-8000-' || lpad(:w::text, 12, '0'))::uuid"
    hold = _filled(
        hold_repository.TAKE, [workspace_id, "'live'", "'call'", ":cause::text", str(HELD), "now()"]
    )
    entry = [
        "md5(:cause::text)::uuid",
        "'revenue.calls'",
        "'Bench call'",
        "''",
        "NULL::uuid",
        "NULL::uuid",
        "NULL::uuid",
    ]
    settle = _filled(hold_repository.SETTLE, ["'call'", ":cause::text", str(PAID), "now()", *entry])
    return f"""\\set w random(1, {among})
\\set cause random(1, 9000000000000000000)
BEGIN;
{hold};
END;
BEGIN;
{settle};
END;
"""


def _filled(statement: str, values: Sequence[str]) -> str:
    one_line = " ".join(line for line in statement.split("\n") if not line.startswith("--"))
    return re.sub(r"\$(\d+)", lambda match: values[int(match[1]) - 1], one_line).strip()


async def pgbench(url: str, among: int, seconds: int, clients: int) -> float:
    """Transactions per second of pgbench: its script has two."""
    with tempfile.NamedTemporaryFile("w", suffix=".sql") as file:
        file.write(script(among))
        file.flush()
        options = ["-n", "-M", "prepared", "-f", file.name, "-c", str(clients), "-j", "2", "-T", str(seconds)]
        command = [str(_binaries() / "pgbench"), *options, url]
        done = await asyncio.to_thread(subprocess.run, command, capture_output=True, text=True, check=False)
    found = re.search(r"tps = ([\d.]+)", done.stdout)
    if done.returncode or not found:
        raise RuntimeError(f"pgbench failed:\n{done.stdout}{done.stderr}")
    return 2 * float(found[1])


async def bench(seconds: int, clients: int, waiting: int) -> int:
    async with postgres() as server:
        url = server.url()
        database = await Database.connect(url, minimum=clients, maximum=clients)
        wallets = Wallets(NoEvents(), SystemClock())
        await open_rich_wallets(database, wallets)
        print(
            f"{clients} connections, {waiting} waiting, {seconds} s each; load average {os.getloadavg()[0]:.1f}"
        )
        for name, among in (("one hot wallet", 1), (f"{WALLETS} wallets", WALLETS)):
            run = Run(database, wallets, among)
            ours = await run.go(seconds, waiting)
            theirs = await pgbench(url, among, seconds, clients)
            print(
                f"{name:>16}: {ours:7,.0f} transactions/s (half holds, half settles), "
                f"p50 {run.percentile(0.5):.1f} ms, p99 {run.percentile(0.99):.1f} ms; "
                f"pgbench {theirs:7,.0f}/s; {ours / theirs:.0%} of it"
            )
        async with database.connection() as connection:
            findings = await audit(connection)
        await database.close()
    for finding in findings:
        print(f"AUDIT: {finding.rule}: {finding.row}: {finding.problem}")
    return 1 if findings else 0


def main() -> int:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--seconds", type=int, default=5)
    parser.add_argument("--clients", type=int, default=16)
    parser.add_argument("--waiting", type=int, default=200)
    chosen = parser.parse_args()
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        return runner.run(bench(chosen.seconds, chosen.clients, chosen.waiting))


if __name__ == "__main__":
    sys.exit(main())
