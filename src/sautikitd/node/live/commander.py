"""Carries out what was asked of live calls: rows, polled ten times a second and woken for."""

import asyncio
from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import Protocol
from uuid import UUID

import structlog

from sautikitd.calls import commands
from sautikitd.calls.commands import Command, CommandKind
from sautikitd.calls.outcomes import HangupBy, HangupCause
from sautikitd.clock import Clock
from sautikitd.database.pool import Database, DatabaseUnavailable
from sautikitd.node.recordings import NodeRecordings
from sautikitd.voice.leg import MediaLeg

log = structlog.get_logger(__name__)

POLL_S = 0.1

Handler = Callable[[Command], Awaitable[str]]
"""Carries out one kind of command and says what it came to; quick, for the next command waits for it."""


class RunningCall(Protocol):
    @property
    def legs(self) -> Sequence[MediaLeg]: ...

    def end(self, cause: HangupCause, by: HangupBy = HangupBy.PLATFORM) -> None: ...


class Commander:
    """`calls` are the node's running calls by id, kept by the node; `recordings` may outlive them, in a room."""

    def __init__(
        self,
        node_id: UUID,
        database: Database,
        clock: Clock,
        calls: Mapping[UUID, RunningCall],
        recordings: NodeRecordings,
    ) -> None:
        self._node_id = node_id
        self._database = database
        self._clock = clock
        self._calls = calls
        self._recordings = recordings
        self._handlers: dict[str, Handler] = {}
        self._woken = asyncio.Event()

    def handle(self, handlers: Mapping[CommandKind, Handler]) -> None:
        """Gives further kinds of commands to those who know how to carry them out."""
        self._handlers.update({kind.value: handler for kind, handler in handlers.items()})

    def wake(self) -> None:
        self._woken.set()

    async def run(self) -> None:
        """Until cancelled."""
        while True:
            if self._calls or self._recordings.running:
                await self._take()
            try:
                async with asyncio.timeout(POLL_S):
                    await self._woken.wait()
            except TimeoutError:
                continue
            self._woken.clear()

    async def _take(self) -> None:
        try:
            async with self._database.connection() as connection:
                waiting = await commands.take(connection, self._node_id)
            if waiting:
                outcomes = {command.id: await self._attempt(command) for command in waiting}
                async with self._database.connection() as connection:
                    await commands.done(connection, outcomes, self._clock.now())
        except DatabaseUnavailable as exc:
            log.warning("node.commands_wait", error=repr(exc))

    async def _attempt(self, command: Command) -> str:
        """One command that goes wrong costs neither the others nor the node."""
        try:
            return await self._do(command)
        except DatabaseUnavailable:
            raise
        except Exception as fault:
            log.exception("node.command_failed", call_id=str(command.call_id), kind=command.kind)
            return f"failed: {type(fault).__name__}"

    async def _do(self, command: Command) -> str:
        """Carries it out; what it came to. A command told twice does no harm."""
        if handler := self._handlers.get(command.kind):
            return await handler(command)
        call = self._calls.get(command.call_id)
        if call is None:
            return "not here"
        if command.kind == CommandKind.HANGUP:
            call.end(HangupCause(command.payload.get("cause", HangupCause.NORMAL_CLEARING)))
            return "done"
        return "unknown"
