"""Keeps PostgreSQL and the roles running, and ends them in order: api, voice, worker, simulators, PostgreSQL."""

import asyncio
import os
from collections.abc import Mapping, Sequence

from sautikitd.clock import Clock, SystemClock
from sautikitd.database.embedded import EmbeddedPostgresFailed
from sautikitd.supervisor.child import Child, RoleSpec
from sautikitd.supervisor.output import Output
from sautikitd.supervisor.postgres import GuardedPostgres
from sautikitd.supervisor.restarts import DEATHS, WITHIN_SECONDS, RestartPolicy


class GaveUp(Exception):
    """A process died again and again; everything was stopped."""

    def __init__(self, name: str, how: str) -> None:
        super().__init__(
            f"{name} died {DEATHS} times within {WITHIN_SECONDS:.0f} s (the last time it {how}), so everything was "
            "stopped. Its last lines above say why; `sautikitd doctor` looks for the usual causes."
        )


class Supervision:
    """Runs `roles` (in the order they are stopped) until `stop` is called or one of them cannot be kept up.

    `postgres` is an already started server to keep as well, or None. `descriptors` are inherited by
    every role. Whatever way `run` ends, no process of it is left.
    """

    def __init__(
        self,
        roles: Sequence[RoleSpec],
        *,
        environment: Mapping[str, str],
        output: Output,
        postgres: GuardedPostgres | None = None,
        descriptors: Sequence[int] = (),
        clock: Clock | None = None,
    ) -> None:
        self._roles = roles
        self._environment = environment
        self._output = output
        self._postgres = postgres
        self._descriptors = descriptors
        self._clock = clock or SystemClock()
        self._stopping = asyncio.Event()
        self._hurry = asyncio.Event()
        self._ready = {role.name: asyncio.Event() for role in roles}
        self._children: dict[str, Child] = {}
        self._parent_pipe: tuple[int, int] | None = None

    def stop(self) -> None:
        """Ends everything in order; called a second time, at once."""
        if self._stopping.is_set():
            self._hurry.set()
        self._stopping.set()

    async def until_ready(self) -> None:
        """Returns when every role has said that it is ready."""
        for ready in self._ready.values():
            await ready.wait()

    def pid_of(self, role: str) -> int | None:
        """The process of a role, for tests and for looking in from outside."""
        return self._children[role].pid if role in self._children else None

    async def run(self) -> None:
        """Raises `GaveUp` when a process cannot be kept up."""
        self._parent_pipe = os.pipe()
        keeping = [asyncio.create_task(self._keep(role)) for role in self._roles]
        if self._postgres:
            keeping.append(asyncio.create_task(self._keep_postgres(self._postgres)))
        stopped = asyncio.create_task(self._stopping.wait())
        try:
            done, _ = await asyncio.wait([stopped, *keeping], return_when=asyncio.FIRST_COMPLETED)
            for task in done - {stopped}:
                task.result()
        finally:
            self._stopping.set()
            await self._end(keeping)
            stopped.cancel()
            for end in self._parent_pipe:
                os.close(end)

    async def _keep(self, role: RoleSpec) -> None:
        policy = RestartPolicy()
        while True:
            how = await self._run_once(role)
            if self._stopping.is_set():
                return
            await self._wait_to_restart(role.name, how, policy)
            if self._stopping.is_set():
                return

    async def _run_once(self, role: RoleSpec) -> str:
        """Starts `role`, waits for its end, and says how it came."""
        assert self._parent_pipe is not None
        child = await Child.start(
            role,
            environment=self._environment,
            parent_pipe=self._parent_pipe[0],
            descriptors=self._descriptors,
            on_line=self._output.line,
        )
        self._children[role.name] = child
        if self._stopping.is_set():  # it was being started while everything else was ended
            await child.stop()
        if await child.until_ready():
            self._ready[role.name].set()
            return _how(await child.wait())
        if not child.ended and not self._stopping.is_set():
            child.kill()
            await child.wait()
            return f"was not ready after {role.start_seconds:.0f} s"
        return _how(await child.wait())

    async def _keep_postgres(self, postgres: GuardedPostgres) -> None:
        policy = RestartPolicy()
        how = _how(await postgres.wait())
        while not self._stopping.is_set():
            await self._wait_to_restart("postgres", how, policy)
            if self._stopping.is_set():
                return
            try:
                await postgres.start()
            except (EmbeddedPostgresFailed, OSError, TimeoutError) as exc:
                self._output.say("PostgreSQL did not start", level="error", error=str(exc))
                how = "did not start"
                continue
            self._output.say("PostgreSQL is back")
            how = _how(await postgres.wait())

    async def _wait_to_restart(self, name: str, how: str, policy: RestartPolicy) -> None:
        delay = policy.died(self._clock.monotonic())
        if delay is None:
            raise GaveUp(name, how)
        self._output.say(f"{name} {how}; starting it again in {delay:g} s", level="warning")
        waits = [asyncio.create_task(self._clock.sleep(delay)), asyncio.create_task(self._stopping.wait())]
        await asyncio.wait(waits, return_when=asyncio.FIRST_COMPLETED)
        for wait in waits:
            wait.cancel()

    async def _end(self, keeping: Sequence[asyncio.Task[None]]) -> None:
        for role in self._roles:
            child = self._children.get(role.name)
            if child is None or child.ended:
                continue
            stopping = asyncio.create_task(child.stop())
            hurry = asyncio.create_task(self._hurry.wait())
            await asyncio.wait([stopping, hurry], return_when=asyncio.FIRST_COMPLETED)
            hurry.cancel()
            if self._hurry.is_set():
                child.kill()
            if not await stopping:
                self._output.say(f"{role.name} did not end in time and was killed", level="warning")
        if self._postgres:
            await self._postgres.stop()
        await asyncio.wait(keeping, timeout=5)
        for task in keeping:
            task.cancel()
        await asyncio.gather(*keeping, return_exceptions=True)


def _how(status: int) -> str:
    return f"was ended by signal {-status}" if status < 0 else f"ended with status {status}"
