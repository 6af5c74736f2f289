"""The embedded PostgreSQL never outlives its supervisor, and starts again whatever an earlier life left behind."""

import asyncio
import os
import subprocess
import sys
from pathlib import Path

import asyncpg

from sautikitd.supervisor.postgres import GuardedPostgres, clear_the_way
from supervisor.processes import running_with, until

HOLDER = """
import asyncio, sys
from pathlib import Path
from sautikitd.supervisor.postgres import GuardedPostgres

async def main():
    postgres = GuardedPostgres(Path(sys.argv[1]))
    await postgres.start()
    print("started", flush=True)
    await asyncio.Event().wait()

asyncio.run(main())
"""


async def test_the_server_ends_with_its_killed_supervisor_and_starts_again(tmp_path: Path) -> None:
    folder = tmp_path / "pg"
    source = str(Path(__file__).parents[2] / "src")
    holder = subprocess.Popen(  # noqa: ASYNC220 - its output is read in a thread
        [sys.executable, "-c", HOLDER, str(folder)],
        env={**os.environ, "PYTHONPATH": source},
        stdout=subprocess.PIPE,
        text=True,
    )
    with holder:
        assert holder.stdout is not None
        assert await asyncio.to_thread(holder.stdout.readline) == "started\n"
        holder.kill()
    again = GuardedPostgres(folder)
    await again.start()  # while the old one may still be ending
    try:
        connection = await asyncpg.connect(again.server.url())
        assert await connection.fetchval("SELECT 1") == 1
        await connection.close()
    finally:
        await again.stop()
    await until(lambda: not running_with(str(folder)))


async def test_a_stale_file_that_names_another_program_is_removed_and_the_program_spared(
    tmp_path: Path,
) -> None:
    file = tmp_path / "postmaster.pid"
    file.write_text(f"{os.getpid()}\n{tmp_path}\n")
    await clear_the_way(tmp_path)
    assert not file.exists()


async def test_a_folder_without_remains_needs_no_clearing(tmp_path: Path) -> None:
    await clear_the_way(tmp_path)
    assert os.listdir(tmp_path) == []
