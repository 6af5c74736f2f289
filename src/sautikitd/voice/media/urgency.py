"""A media process comes before its neighbours on the machine, where it is allowed to."""

import os

_TICK, _BESIDE = 2, 1  # of 1 to 99: before everything ordinary, after everything else that is real-time
_NICE = -10


def make_urgent() -> str:
    """Asks for real-time scheduling (sched(7)) of this thread, which ticks: a tick needs a part of its 20 ms, but
    needs it now. The kernel keeps a twentieth of the time for the others even so. Else for a better nice value, which
    threads begun later have as well. What was granted, by name.

    It takes root or CAP_SYS_NICE; without them nothing changes.
    """
    if _real_time(_TICK):
        return "real-time"
    try:
        os.setpriority(os.PRIO_PROCESS, 0, _NICE)
    except OSError:
        return "ordinary"
    return f"nice {_NICE}"


def make_prompt() -> None:
    """Of a thread beside the one that ticks, which is the process's first. It gives way to the tick, but to nobody whom
    the tick comes before: it may hold the interpreter's lock when the tick begins, and a neighbour that kept it from
    letting go would keep the tick."""
    if _is_real_time(os.getpid()):
        _real_time(_BESIDE)


def _is_real_time(thread: int) -> bool:
    try:
        return os.sched_getscheduler(thread) & ~os.SCHED_RESET_ON_FORK == os.SCHED_RR
    except AttributeError:  # not Linux
        return False


def _real_time(priority: int) -> bool:
    try:
        os.sched_setscheduler(0, os.SCHED_RR | os.SCHED_RESET_ON_FORK, os.sched_param(priority))
    except (OSError, AttributeError):  # not allowed, or not Linux
        return False
    return True
