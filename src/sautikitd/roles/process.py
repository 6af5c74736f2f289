"""What every role process does around its work: logs, signals, the lifeline, uvloop."""

import asyncio
import signal
from collections.abc import Awaitable, Callable

import structlog

from sautikitd.observability import configure_logs
from sautikitd.roles.metrics import metrics_of
from sautikitd.settings import Settings
from sautikitd.supervisor.lifeline import Lifeline

Role = Callable[[Settings, "RoleProcess"], Awaitable[None]]


class RoleProcess:
    """A role's dealings with whoever started it.

    A role serves until `stop` is set (SIGTERM, SIGINT, or the supervisor gone), then ends its work in
    good order and returns. It calls `ready` once, when it can do its work.
    """

    def __init__(self, name: str, lifeline: Lifeline) -> None:
        self.name = name
        self.stop = asyncio.Event()
        self._lifeline = lifeline

    def ready(self) -> None:
        structlog.get_logger().info(f"{self.name} ready")
        self._lifeline.announce_ready()

    async def until_stopped(self) -> None:
        await self.stop.wait()


def run_role(name: str, role: Role, settings: Settings) -> None:
    """Runs `role` to its end in a uvloop of this process; an exception of it is raised here."""
    lifeline = Lifeline.from_environment()
    configure_logs(name, plain=lifeline.supervised)
    lifeline.end_with_parent()
    with metrics_of(name, settings), asyncio.Runner(loop_factory=_event_loop) as runner:
        runner.run(_run(name, role, settings, lifeline))


def _event_loop() -> asyncio.AbstractEventLoop:
    import uvloop

    loop: asyncio.AbstractEventLoop = uvloop.new_event_loop()
    return loop


async def _run(name: str, role: Role, settings: Settings, lifeline: Lifeline) -> None:
    process = RoleProcess(name, lifeline)
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, process.stop.set)
    await role(settings, process)
