"""A process that claims calls and ends them, many together, until it is done or killed: `python closing.py DATABASE_URL`."""

import asyncio
import sys
from datetime import timedelta

from sautikitd.calls import claiming
from sautikitd.calls.lifecycle import CallLifecycle
from sautikitd.calls.outcomes import HangupBy, HangupCause
from sautikitd.calls.steps import Answering, Closing, Ending
from sautikitd.clock import SystemClock
from sautikitd.database.pool import Connection, Database
from sautikitd.events.log import EventLog
from sautikitd.wallet.service import Wallets

TOGETHER = 7
SECONDS = 24
"""Of every call: at KES 3.00 a minute, KES 1.20."""


async def close_all(url: str) -> None:
    database = await Database.connect(url, maximum=2, keep_plans=True)
    lifecycle = CallLifecycle(Wallets(EventLog(), SystemClock()), EventLog())
    more = True
    while more:
        async with database.transaction() as connection:
            more = await claim_some(connection, lifecycle)
    while True:
        async with database.transaction() as connection:
            rows = await connection.fetch(_ANSWERED, TOGETHER)
            if not rows:
                break
            steps = [
                Closing(
                    call_id=row["id"],
                    ending=Ending(
                        cause=HangupCause.NORMAL_CLEARING,
                        by=HangupBy.CALLEE,
                        at=row["answered_at"] + timedelta(seconds=SECONDS),
                    ),
                )
                for row in rows
            ]
            await lifecycle.take(connection, steps)
    await database.close()


async def claim_some(connection: Connection, lifecycle: CallLifecycle) -> bool:
    """Claims and answers several calls, of as many workspaces as have a turn."""
    claims = await claiming.claim(
        connection,
        lifecycle,
        node_id=await connection.fetchval("SELECT id FROM voice_nodes ORDER BY id DESC LIMIT 1"),
        room=100,
        now=SystemClock().now(),
        prepare=lambda _: {},
        most=TOGETHER,
    )
    answered = [
        Answering(call_id=leg.id, at=SystemClock().now(), dialog={})
        for one in claims.calls
        for leg in one.legs
    ]
    await lifecycle.take(connection, answered)
    return bool(claims.calls)


_ANSWERED = "SELECT id, answered_at FROM calls WHERE status = 'answered' ORDER BY random() LIMIT $1"


if __name__ == "__main__":
    asyncio.run(close_all(sys.argv[1]))
