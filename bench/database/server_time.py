"""Processor time and disk syncs of a PostgreSQL server and of whoever uses it, read from outside."""

import os
import resource
import time
from dataclasses import dataclass
from pathlib import Path

from sautikitd.database.pool import Connection

_TICK_S = 1 / os.sysconf("SC_CLK_TCK")

_DISK = """
SELECT coalesce(sum(fsyncs), 0)::float8 AS fsyncs, coalesce(sum(fsync_time), 0)::float8 AS fsync_ms
FROM pg_stat_io WHERE object = 'wal'
"""


@dataclass(frozen=True)
class Spent:
    """Sums so far, or between two readings: seconds, but for `fsyncs`, a count."""

    wall: float
    server: float
    client: float
    fsyncs: float
    syncing: float

    def since(self, before: "Spent") -> "Spent":
        return Spent(
            wall=self.wall - before.wall,
            server=self.server - before.server,
            client=self.client - before.client,
            fsyncs=self.fsyncs - before.fsyncs,
            syncing=self.syncing - before.syncing,
        )


async def reading(superuser: Connection, postmaster: int) -> Spent:
    """The client is this process and the children it has waited for, which is pgbench."""
    disk = await superuser.fetchrow(_DISK)
    own, children = (resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN))
    return Spent(
        wall=time.perf_counter(),
        server=_server_seconds(postmaster),
        client=own.ru_utime + own.ru_stime + children.ru_utime + children.ru_stime,
        fsyncs=disk["fsyncs"],
        syncing=disk["fsync_ms"] / 1_000,
    )


def _server_seconds(postmaster: int) -> float:
    """Of the postmaster, of the backends that have ended, and of those that run."""
    total = 0.0
    for folder in Path("/proc").iterdir():
        if not folder.name.isdigit():
            continue
        try:
            fields = (folder / "stat").read_text().rpartition(")")[2].split()
        except OSError:
            continue
        if int(folder.name) == postmaster:
            total += sum(map(int, fields[11:15]))
        elif int(fields[1]) == postmaster:
            total += sum(map(int, fields[11:13]))
    return total * _TICK_S
