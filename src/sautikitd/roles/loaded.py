"""What a role has loaded when it is ready stays as long as the process: the garbage collector need not look at it."""

import gc

REQUESTS = (20_000, 20, 20)
"""Thresholds for work that is over at once, and hardly ever lives to be garbage of an older generation."""

CALLS = (10_000, 3, 2)
"""For what lives as long as calls and their timers do, and is garbage then: all of it is looked through each 60,000 new
things, some hundred calls, or memory would go up for thousands."""


def keep_what_is_loaded(thresholds: tuple[int, int, int] = REQUESTS) -> None:
    """Once all is loaded: it is never looked through again, and what work leaves behind is not looked for often.

    A collector as it comes from the shop spends a twentieth of the processor on going through our modules.
    """
    gc.collect()
    gc.freeze()
    gc.collect()  # it goes through all only once a quarter as much is new as it found then: not of what is frozen
    gc.set_threshold(*thresholds)
