"""What an installation's processes spend on a call: CPU milliseconds by role, and transactions of the database."""

import os
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import asyncpg
from rich.table import Table

from sautikitd.database.embedded import EmbeddedPostgres
from system.installation import Installation

_TICK_MS = 1000 / os.sysconf("SC_CLK_TCK")


@dataclass(frozen=True)
class Reading:
    """`spent_ms`: CPU time since the start of each process that runs, by id; `committed`: transactions so far."""

    at: float
    spent_ms: Mapping[int, float]
    committed: int


async def read(installation: Installation) -> Reading:
    """Transactions of a connection that just went idle are counted up to a second late."""
    roles = roles_of(installation)
    spent = {pid: spent_ms(pid) for pid in roles}
    url = EmbeddedPostgres(installation.data / "postgres").url("postgres")
    connection = await asyncpg.connect(url)
    try:
        committed = await connection.fetchval(
            "SELECT xact_commit FROM pg_stat_database WHERE datname = 'sautikit'"
        )
    finally:
        await connection.close()
    return Reading(time.perf_counter(), spent, committed)


LOAD = "this bench"
"""The load and the far end: what runs in this process is no part of what an installation spends."""


def roles_of(installation: Installation) -> dict[int, str]:
    """The role of each process of the installation, and of this one."""
    roles = {os.getpid(): LOAD}
    for role in ("api", "voice", "worker", "carrier", "postgres"):
        for pid in installation.pids(role):
            roles[pid] = role
            for child, words in installation.children(pid):
                roles[child] = "media" if "media.process" in " ".join(words) else role
    return roles


def per_call(
    installation: Installation, idle: tuple[Reading, Reading], busy: tuple[Reading, Reading], calls: int
) -> Table:
    """A row for each role: what it spent on a call beyond what it spends anyway, and what it spends anyway."""
    roles = roles_of(installation)
    table = Table("process", "CPU ms per call", "share", "idle, ms per s")
    rates = {role: _rate(idle, [pid for pid, of in roles.items() if of == role]) for role in roles.values()}
    rates[LOAD] = 0.0  # it does nothing when nothing is asked of it, but for its own readings
    seconds = busy[1].at - busy[0].at
    each = {
        role: (_spent(busy, [pid for pid, of in roles.items() if of == role]) - rate * seconds) / calls
        for role, rate in rates.items()
    }
    total = sum(cost for role, cost in each.items() if role != LOAD)
    for role in sorted(each, key=lambda role: (role == LOAD, -each[role])):
        share = "" if role == LOAD else f"{each[role] / total:.0%}"
        table.add_row(role, f"{each[role]:.1f}", share, f"{rates[role]:.1f}")
    table.add_row("the installation", f"{total:.1f}", "100%", "")
    usual = (idle[1].committed - idle[0].committed) / (idle[1].at - idle[0].at)
    committed = busy[1].committed - busy[0].committed - usual * seconds
    table.add_row("transactions", f"{committed / calls:.1f}", "", f"{usual:.1f} per s")
    return table


def _rate(span: tuple[Reading, Reading], pids: list[int]) -> float:
    """CPU milliseconds a second."""
    return _spent(span, pids) / (span[1].at - span[0].at)


def _spent(span: tuple[Reading, Reading], pids: list[int]) -> float:
    return sum(span[1].spent_ms.get(pid, 0) - span[0].spent_ms.get(pid, 0) for pid in pids)


def spent_ms(pid: int) -> float:
    """CPU time of a process since its start; 0 when it has gone."""
    try:
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except OSError:
        return 0.0
    return (int(fields[11]) + int(fields[12])) * _TICK_MS
