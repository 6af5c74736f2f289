"""`make run`, from nothing to a finished call on the screen and back to nothing."""

import asyncio
import os
import re
import signal
import sys
from pathlib import Path

import pytest

from ports import free_ports
from supervisor.processes import running_with, until

SOURCE = str(Path(__file__).parents[2] / "src")


async def started(data: Path, screen: Path) -> asyncio.subprocess.Process:
    http, sip, carrier, control = free_ports(4)
    environment = {
        **{name: value for name, value in os.environ.items() if name != "DATABASE_URL"},
        "PYTHONPATH": SOURCE,
        "SAUTIKIT_DATA_DIR": str(data),
        "SAUTIKIT_HTTP": f"127.0.0.1:{http}",
        "SAUTIKIT_SIP": f"127.0.0.1:{sip}",
        "SAUTIKIT_CARRIER": f"127.0.0.1:{carrier}",
        "SAUTIKIT_CARRIER_CONTROL": f"127.0.0.1:{control}",
    }
    command = (sys.executable, "-m", "sautikitd.cli.main", "demo")
    with screen.open("wb") as output:
        return await asyncio.create_subprocess_exec(*command, env=environment, stdout=output)


def lines(text: str, what: str) -> list[str]:
    return re.findall(rf"^  \d\d:\d\d:\d\d\.\d{{3}}  {what} +(.*)$", text, re.MULTILINE)


@pytest.mark.slow
async def test_the_demonstration_shows_a_whole_call_and_ends_cleanly(tmp_path: Path) -> None:
    data, screen = tmp_path / "data", tmp_path / "screen"
    process = await started(data, screen)
    try:
        await until(lambda: '"webhook_url"' in screen.read_text() or process.returncode is not None, 100)
    finally:
        process.send_signal(signal.SIGINT)
        assert await asyncio.wait_for(process.wait(), 60) == 0
    text = screen.read_text()
    for what in ("queued", "ringing", "answered", "hung up"):
        assert len(lines(text, what)) == 1, text
    said = lines(text, "says")
    assert said[0].startswith("“Habari!")
    assert "1 2 3 4" in said[1]
    assert lines(text, "digits") == ["1234"]
    assert re.fullmatch(r"KES \d\.\d\d: \d+ s at KES 3\.00 a minute, by the second", lines(text, "cost")[0])
    kinds = [line.split()[0] for line in lines(text, "webhook")]
    assert [kinds[0], kinds[-1]] == ["call.started", "call.completed"]
    assert "✗" not in text
    assert re.search(r"export SAUTIKIT_API_KEY=tsk_test_\w{40}\n", text)
    await until(lambda: not running_with(str(data)), 5)
