"""Deadlines of many requests, looked at together.

`asyncio.timeout` sets a timer of its own and takes it down again: 7 µs, twice a request, for what hardly ever happens.
Here one timer looks at every deadline twice a second, so that one may be noticed half a second late.
"""

import asyncio
from types import TracebackType
from typing import Any

_LOOK_EVERY_SECONDS = 0.5


class Patience:
    """For tasks of one event loop. The timer runs only while somebody is being waited for."""

    def __init__(self) -> None:
        self._waited_for: set[_Deadline] = set()
        self._looking = False

    def at_most(self, seconds: float) -> "_Deadline":
        """`with patience.at_most(25):` raises TimeoutError when the block takes longer."""
        return _Deadline(self, seconds)

    def begin(self, deadline: "_Deadline", loop: asyncio.AbstractEventLoop) -> None:
        self._waited_for.add(deadline)
        if not self._looking:
            self._looking = True
            loop.call_later(_LOOK_EVERY_SECONDS, self._look, loop)

    def end(self, deadline: "_Deadline") -> None:
        self._waited_for.discard(deadline)

    def _look(self, loop: asyncio.AbstractEventLoop) -> None:
        now = loop.time()
        for deadline in [one for one in self._waited_for if one.at <= now]:
            self._waited_for.discard(deadline)
            deadline.expire()
        self._looking = bool(self._waited_for)
        if self._looking:
            loop.call_later(_LOOK_EVERY_SECONDS, self._look, loop)


class _Deadline:
    """As `asyncio.Timeout`: a cancellation of ours becomes a TimeoutError, another's stays one."""

    __slots__ = ("_cancelled_before", "_expired", "_patience", "_seconds", "_task", "at")

    def __init__(self, patience: Patience, seconds: float) -> None:
        self._patience = patience
        self._seconds = seconds
        self._expired = False

    def __enter__(self) -> None:
        task: asyncio.Task[Any] | None = asyncio.current_task()
        if task is None:
            raise RuntimeError("a deadline is for a task")
        loop = task.get_loop()
        self._task = task
        self._cancelled_before = task.cancelling()
        self.at = loop.time() + self._seconds
        self._patience.begin(self, loop)

    def expire(self) -> None:
        self._expired = True
        self._task.cancel()

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._patience.end(self)
        if (
            self._expired
            and self._task.uncancel() <= self._cancelled_before
            and kind is asyncio.CancelledError
        ):
            raise TimeoutError from error
