"""What an installation holds: by its metrics, its carrier, its tables and its processes. At rest all of it is zero."""

import os
from collections import defaultdict
from pathlib import Path

import aiohttp

from sautikitd.cli.installation import installation as opened
from sautikitd.settings import Settings, from_environment
from system.installation import Installation

# What is left open by a call that was not brought to its end, each as a count.
LEFT_OPEN = {
    "calls that have no end": "SELECT count(*) FROM calls WHERE ended_at IS NULL",
    "dialogs kept for a reaper": "SELECT count(*) FROM calls WHERE dialog IS NOT NULL",
    "commands not carried out": "SELECT count(*) FROM call_commands WHERE done_at IS NULL",
    "turns of control": "SELECT count(*) FROM control_events WHERE kind = 'turn' AND closed_at IS NULL",
    "holds": "SELECT count(*) FROM holds WHERE state = 'open'",
    "wallets with something held": "SELECT count(*) FROM wallets WHERE held_minor <> 0",
    "recordings unfinished": "SELECT count(*) FROM recordings WHERE status IN ('recording', 'processing')",
    "rooms": "SELECT count(*) FROM rooms WHERE ended_at IS NULL",
    "seats in rooms": "SELECT count(*) FROM room_seats WHERE left_at IS NULL",
    "commands to rooms": "SELECT count(*) FROM room_commands WHERE done_at IS NULL",
    "callers in queues": "SELECT count(*) FROM queue_members WHERE left_at IS NULL",
    "supervisions": "SELECT count(*) FROM supervisions WHERE ended_at IS NULL",
    "webhooks not delivered": "SELECT count(*) FROM webhook_deliveries WHERE status IN ('pending', 'delivering')",
    "leases beyond that of the node": "SELECT count(*) - 1 FROM voice_nodes WHERE stopped_at IS NULL",
    "advisory locks": "SELECT count(*) FROM pg_locks l JOIN pg_database d ON d.oid = l.database"
    " WHERE locktype = 'advisory' AND d.datname = current_database()",
    "transactions left open": "SELECT count(*) FROM pg_stat_activity WHERE state LIKE 'idle in transaction%'"
    " AND state_change < now() - interval '5 s'",
}
NOT_ONE_FINAL_EVENT = """
SELECT count(*) FROM (
    SELECT c.id FROM calls c
    LEFT JOIN events e ON e.call_id = c.id AND e.kind IN ('call.completed', 'call.failed')
    GROUP BY c.id HAVING count(e.id) <> 1) AS odd"""
BY_STATUS = "SELECT status::text, count(*) FROM calls GROUP BY 1 ORDER BY 2 DESC"
MEASURED = (
    "sautikit_node_calls",
    "sautikit_node_tasks",
    "sautikit_node_legs",
    "sautikit_sip_dialogs",
    "sautikit_sip_transactions",
    "sautikit_media_legs",
    "sautikit_media_plays",
    "sautikit_media_recordings",
    "sautikit_media_rooms",
    "sautikit_media_sockets",
    "sautikit_media_forks",
)


def settings_of(running: Installation) -> Settings:
    return from_environment({"SAUTIKIT_DATA_DIR": str(running.data)})


async def in_tables(running: Installation) -> dict[str, int]:
    """What is left open in the database."""
    async with opened(settings_of(running)) as platform, platform.database.connection() as connection:
        return {name: await connection.fetchval(query) for name, query in LEFT_OPEN.items()}


async def outcomes(running: Installation) -> tuple[int, dict[str, int]]:
    """How many calls have not exactly one final event; and how many calls there are of each status."""
    async with opened(settings_of(running)) as platform, platform.database.connection() as connection:
        odd = await connection.fetchval(NOT_ONE_FINAL_EVENT)
        return odd, dict(await connection.fetch(BY_STATUS))


async def on_metrics(running: Installation) -> dict[str, int]:
    """The gauges of a voice node, those of its media processes added up."""
    found: defaultdict[str, int] = defaultdict(int)
    async with aiohttp.ClientSession() as http, http.get(f"{running.metrics}/metrics") as response:
        for line in (await response.text()).splitlines():
            name = line.partition(" ")[0].partition("{")[0]
            if name in MEASURED:
                found[name.removeprefix("sautikit_")] += int(float(line.rpartition(" ")[2]))
    missing = [name for name in MEASURED if name.removeprefix("sautikit_") not in found]
    assert not missing, f"not on /metrics: {missing}"
    return dict(found)


async def at_the_carrier(running: Installation) -> dict[str, int]:
    counts = await running.carrier("/healthz")
    return {f"carrier {name}": counts[name] for name in ("calls", "legs", "dialogs")}


def spooled(running: Installation) -> dict[str, int]:
    """Files of recordings that wait to be stored."""
    spool = running.data / "spool"
    return {"files in the spool": sum(1 for _ in spool.glob("*.wav"))}


async def everything(running: Installation) -> dict[str, int]:
    """Every gauge by its name; all of them are zero when nothing goes on."""
    return {
        **await on_metrics(running),
        **await at_the_carrier(running),
        **await in_tables(running),
        **spooled(running),
    }


class Memory:
    """What the processes of an installation take, by their names, as sampled."""

    def __init__(self, running: Installation) -> None:
        self._running = running
        self.resident: defaultdict[str, list[tuple[int, float]]] = defaultdict(list)

    def sample(self, calls: int) -> None:
        """`calls` is how many have ended so far."""
        for name, pids in named_processes(self._running).items():
            self.resident[name].append((calls, sum(resident_mb(pid) for pid in pids)))

    def slope(self, name: str, *, after: int) -> float:
        """MB for each thousand calls, by least squares over the samples after the first `after` calls."""
        points = [point for point in self.resident[name] if point[0] >= after]
        if len(points) < 3:
            return 0.0
        middle = sum(x for x, _ in points) / len(points)
        mean = sum(y for _, y in points) / len(points)
        spread = sum((x - middle) ** 2 for x, _ in points)
        return 1000 * sum((x - middle) * (y - mean) for x, y in points) / spread if spread else 0.0


def named_processes(running: Installation) -> dict[str, list[int]]:
    """Ids by what a process is: a role, `media of voice`, `speech of carrier`; PostgreSQL is left out."""
    named: defaultdict[str, list[int]] = defaultdict(list)
    for role in ("api", "voice", "worker", "carrier"):
        for pid in running.pids(role):
            named[role].append(pid)
            for child, words in running.children(pid):
                if (kind := _kind(words)) is not None:
                    named[f"{kind} of {role}"].append(child)
    return dict(named)


def _kind(words: list[str]) -> str | None:
    module = next((word for word in words if word.startswith("sautikitd.voice.")), "")
    if module == "sautikitd.voice.media.process":
        return "media"
    return module.rpartition(".")[2] or None


def resident_mb(pid: int) -> float:
    """0 for a process that has ended."""
    try:
        return int(Path(f"/proc/{pid}/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE") / 1e6
    except OSError:
        return 0.0


def descriptors(running: Installation) -> dict[str, int]:
    """Open file descriptors of each role and what it has started."""
    return {
        name: sum(len(os.listdir(f"/proc/{pid}/fd")) for pid in pids)
        for name, pids in named_processes(running).items()
    }
