"""The thread between the supervisor and a role: readiness goes up it, and when it breaks the role ends.

A pipe rather than Linux's PR_SET_PDEATHSIG: it works on every Unix, survives a change of credentials,
and lets the role end in good order. The supervisor holds the only write end of the first pipe and
never writes to it, so its end, however sudden, is seen as end of file.
"""

import contextlib
import os
import signal
import sys
import threading
from collections.abc import Callable

VARIABLE = "SAUTIKIT_LIFELINE"  # "<descriptor to watch>,<descriptor to say 'ready' on>"
GRACE_SECONDS = 15.0


class Lifeline:
    """A role's end of it. Outside a supervisor there is none, and everything here does nothing."""

    def __init__(self, watched: int | None = None, ready: int | None = None) -> None:
        self._watched = watched
        self._ready = ready

    @classmethod
    def from_environment(cls) -> "Lifeline":
        """Takes the variable away, so that a child of this process does not take the descriptors for its own."""
        text = os.environ.pop(VARIABLE, "")
        if not text:
            return cls()
        watched, ready = (int(part) for part in text.split(","))
        os.set_inheritable(watched, False)
        os.set_inheritable(ready, False)
        return cls(watched, ready)

    @property
    def supervised(self) -> bool:
        return self._watched is not None

    def announce_ready(self) -> None:
        """Tells the supervisor that this role does its work from now on."""
        if self._ready is not None:
            os.write(self._ready, b"ready\n")
            os.close(self._ready)
            self._ready = None

    def end_with_parent(self, end: Callable[[], None] | None = None) -> None:
        """From now on, `end` (default: SIGTERM to ourselves) is called when the supervisor has gone.

        After 15 s more our process group is killed, what we have started included.
        """
        if self._watched is not None:
            threading.Thread(
                target=_watch, args=(self._watched, end or _terminate), daemon=True, name="lifeline"
            ).start()


def _terminate() -> None:
    # To the main thread by name: a signal to the process may be taken by any thread, and interrupts only that one.
    signal.pthread_kill(threading.main_thread().ident or 0, signal.SIGTERM)


def _watch(descriptor: int, end: Callable[[], None]) -> None:
    os.read(descriptor, 1)
    with contextlib.suppress(OSError):  # who read our lines has gone too
        print('{"level":"error","event":"the supervisor has gone: ending"}', file=sys.stderr, flush=True)  # noqa: T201
    end()
    threading.Event().wait(GRACE_SECONDS)
    os.killpg(os.getpgrp(), signal.SIGKILL)  # a supervised role leads a group of its own
