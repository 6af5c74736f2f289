"""A call's status goes forward only, and the database holds to that by itself."""

from itertools import product

import asyncpg

from calls.scenery import Scene
from sautikitd.calls.outcomes import CallStatus

ALLOWED = {
    *product(["queued"], ["ringing", "failed", "canceled"]),
    *product(["ringing"], ["answered", "failed", "no_answer", "busy", "canceled"]),
    *product(["answered"], ["completed", "failed"]),
}


async def moves(owner: asyncpg.Connection, before: str, after: str) -> bool:
    """Whether a call that is `before` may become `after`; nothing of it stays."""
    attempt = owner.transaction()
    await attempt.start()
    try:
        await owner.execute("ALTER TABLE calls DISABLE TRIGGER call_status_edge")
        await owner.execute("UPDATE calls SET status = $1", before)
        await owner.execute("ALTER TABLE calls ENABLE TRIGGER call_status_edge")
        await owner.execute("UPDATE calls SET status = $1", after)
    except asyncpg.CheckViolationError:
        return False
    finally:
        await attempt.rollback()
    return True


async def test_only_these_edges_exist(scene: Scene, owner_url: str) -> None:
    await scene.place()
    owner = await asyncpg.connect(owner_url)
    try:
        pairs = [(one.value, other.value) for one, other in product(CallStatus, CallStatus) if one != other]
        found = {pair for pair in pairs if await moves(owner, *pair)}
    finally:
        await owner.close()
    assert found == ALLOWED
