"""Claiming calls from the queue: several at once, fairly and within the limits.

A turn goes to the workspaces that have waited longest since their last one, live before test, if they have a
token (calls a second) and a free slot (calls at once). The slots are counted from the calls themselves,
so none can leak. The claim commits before the INVITE leaves, and a claimed call is never claimed again.
"""

from collections.abc import Callable, Collection, Iterator, Sequence
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

import msgspec

from sautikitd.calls import repository
from sautikitd.calls.charging import account_of
from sautikitd.calls.lifecycle import CallLifecycle
from sautikitd.calls.models import COLUMNS, CallRecord, record_of
from sautikitd.calls.outcomes import HangupBy, HangupCause
from sautikitd.calls.queue import cause_of, refusal_cause
from sautikitd.calls.steps import Ending
from sautikitd.database.pool import Connection, DatabaseUnavailable, Record
from sautikitd.trunks.allocation import NoWay, allocate_each
from sautikitd.wallet.errors import InsufficientFunds
from sautikitd.wallet.limits import Guards

LOOK_AGAIN_AFTER = timedelta(milliseconds=200)
"""How long a workspace is passed over whose oldest call found every trunk full."""


@dataclass(frozen=True)
class Claimed:
    """A call to run, with the legs to dial: itself, or its children when several targets ring together."""

    call: CallRecord
    legs: Sequence[CallRecord]


@dataclass(frozen=True)
class Claims:
    """What a claim came to, the calls that ended in it included, and how many deliveries of events it made."""

    calls: Sequence[Claimed] = ()
    deliveries: int = 0


# Makes what a CANCEL or BYE from another process will need, stored with the claim.
Prepare = Callable[[CallRecord], dict[str, Any] | None]


class ClaimFailed(Exception):
    """A call whose claim went wrong in a way nobody foresaw: nothing was claimed, and the others are not to blame."""

    def __init__(self, call_id: UUID) -> None:
        super().__init__(str(call_id))
        self.call_id = call_id


@contextmanager
def _blaming(call_id: UUID) -> Iterator[None]:
    try:
        yield
    except DatabaseUnavailable:
        raise
    except Exception as fault:
        raise ClaimFailed(call_id) from fault


async def claim(
    connection: Connection,
    lifecycle: CallLifecycle,
    *,
    node_id: UUID,
    room: int,
    now: datetime,
    prepare: Prepare,
    most: int = 1,
    without: Collection[UUID] = (),
) -> Claims:
    """Claims the next calls for `node_id`, `most` at a time, which can take `room` more legs; none when nothing can
    start now. Those `without` are passed over. Raises `ClaimFailed`.

    The whole claim is one transaction of the caller's. A call that cannot be paid for or has no trunk
    ends here, as `failed`, and comes back with no legs; one for which every trunk is full stays in the queue, and its
    workspace is passed over for a moment, so that the others get their turns.
    """
    turns = await connection.fetch(_NEXT_TURNS, now, room, most, list(without))
    if not turns:
        return Claims()
    chosen = await _choose(connection, turns, room, max(1, most // len(turns)), without)
    waiting = await _allot(connection, [one for one in chosen if not one.suspended], now)
    await _take_turns(connection, chosen, waiting, now)
    starting = _Starting(connection, lifecycle, node_id, now, prepare)
    ordered = sorted((one for one in chosen if one not in waiting), key=lambda one: account_of(one.call))
    await starting.hold(ordered)
    for one in ordered:  # wallets are locked in this order
        with _blaming(one.call.id):
            await starting.dial(one)
    return await starting.start(chosen)


@dataclass(eq=False)
class _Chosen:
    """A call whose turn it is, with its legs, and later a trunk for each or why there is none."""

    call: CallRecord
    suspended: bool
    tokens: float
    legs: Sequence[CallRecord]
    trunks: Sequence[UUID | NoWay | None] = ()


async def _choose(
    connection: Connection, turns: Sequence[Record], room: int, share: int, without: Collection[UUID]
) -> list[_Chosen]:
    """The oldest calls of these workspaces, `share` of each at most, as far as tokens, slots and room go."""
    places = [turn["workspace_id"] for turn in turns], [turn["mode"] for turn in turns]
    rows = await connection.fetch(_OLDEST, *places, share, list(without))
    of: dict[tuple[UUID, str], list[CallRecord]] = {}
    for row in rows:
        with _blaming(row["id"]):
            of.setdefault((row["workspace_id"], row["mode"]), []).append(record_of(row))
    chosen = []
    for turn in turns:
        tokens, slots = turn["filled"], turn["slots"]
        for call in of.get((turn["workspace_id"], turn["mode"]), []):
            if tokens < 1 or call.target_count > min(slots, room):
                break
            tokens, slots, room = (left - call.target_count for left in (tokens, slots, room))
            chosen.append(_Chosen(call, turn["suspended_at"] is not None, tokens, [call]))
    parents = [one.call.id for one in chosen if one.call.is_parent]
    legs = await repository.legs_of(connection, parents) if parents else {}
    for one in chosen:
        if one.call.is_parent:
            one.legs = legs.get(one.call.id, [])
    return chosen


async def _allot(connection: Connection, chosen: Sequence[_Chosen], now: datetime) -> Collection[_Chosen]:
    """Gives each leg its trunk; test calls need none. Returns the calls that have to wait for one."""
    live = [one for one in chosen if one.call.mode == "live"]
    groups = [(one.call.workspace_id, [leg.remote_e164 for leg in one.legs]) for one in live]
    for one in chosen:
        one.trunks = [None] * len(one.legs)
    if live:
        for one, trunks in zip(live, await allocate_each(connection, groups, now), strict=True):
            one.trunks = trunks
    return [one for one in live if NoWay.FULL in one.trunks]


async def _take_turns(
    connection: Connection, chosen: Sequence[_Chosen], waiting: Collection[_Chosen], now: datetime
) -> None:
    left = {account_of(one.call): one.tokens for one in chosen if one not in waiting}
    if left:
        places = [account.workspace_id for account in left], [account.mode for account in left]
        await connection.execute(_TAKE_TURNS, *places, list(left.values()), now)
    for account in {account_of(one.call) for one in waiting}:
        await connection.execute(_WAIT, account.workspace_id, account.mode, now + LOOK_AGAIN_AFTER)


class _Starting:
    """The holds and dialogs of the calls of one claim, and then all of them `ringing` at once."""

    def __init__(
        self, connection: Connection, lifecycle: CallLifecycle, node_id: UUID, now: datetime, prepare: Prepare
    ) -> None:
        self._connection = connection
        self._lifecycle = lifecycle
        self._node_id = node_id
        self._now = now
        self._prepare = prepare
        self._guards: Guards = {}
        self._held: set[UUID] = set()
        self._ended: dict[UUID, CallRecord] = {}
        self._ringing: dict[UUID, tuple[CallRecord, dict[str, Any]]] = {}

    async def hold(self, calls: Sequence[_Chosen]) -> None:
        """Holds for the legs of these calls together, where there are several."""
        legs = [
            leg
            for one in calls
            if not one.suspended
            for leg, trunk in zip(one.legs, one.trunks, strict=True)
            if leg.direction == "outbound" and not isinstance(trunk, NoWay)
        ]
        if len(legs) > 1:
            with _blaming(calls[0].call.id) if len(calls) == 1 else nullcontext():
                self._held |= await self._lifecycle.hold_many(self._connection, legs, self._guards)

    async def dial(self, one: _Chosen) -> None:
        if one.suspended:
            await self._refuse(one, HangupCause.SUSPENDED)
            return
        cause, dialled = HangupCause.NO_TRUNK, False
        for leg, trunk in zip(one.legs, one.trunks, strict=True):  # at most ten; each has its own hold
            refused = await self._dial(leg, trunk)
            dialled, cause = dialled or refused is None, refused or cause
        if one.call.is_parent:
            if dialled:
                self._ringing[one.call.id] = one.call, {"node_id": self._node_id}
            else:
                await self._refuse(one, cause)

    async def start(self, chosen: Sequence[_Chosen]) -> Claims:
        ringing = list(self._ringing.values())
        started, deliveries = await self._lifecycle.start_many(self._connection, ringing, self._now)
        now = self._ended | {call.id: call for call in started}
        claimed = [
            Claimed(
                now.get(one.call.id, one.call), [now[leg.id] for leg in one.legs if leg.id in self._ringing]
            )
            for one in chosen
        ]
        return Claims(claimed, deliveries)

    async def _dial(self, leg: CallRecord, trunk_id: UUID | NoWay | None) -> HangupCause | None:
        """Why the leg has ended instead of ringing."""
        if isinstance(trunk_id, NoWay):
            return await self._end(leg, cause_of(trunk_id))
        try:
            if leg.direction == "outbound" and leg.id not in self._held:
                await self._lifecycle.hold(self._connection, leg, self._guards)
        except InsufficientFunds as exc:
            return await self._end(leg, refusal_cause(exc))
        dialog = self._prepare(msgspec.structs.replace(leg, trunk_id=trunk_id))
        self._ringing[leg.id] = leg, {"node_id": self._node_id, "trunk_id": trunk_id, "dialog": dialog}
        return None

    async def _refuse(self, one: _Chosen, cause: HangupCause) -> None:
        for leg in one.legs if one.call.is_parent else ():
            await self._end(leg, cause)
        await self._end(one.call, cause)

    async def _end(self, call: CallRecord, cause: HangupCause) -> HangupCause:
        ending = Ending(cause=cause, by=HangupBy.PLATFORM, at=self._now)
        if ended := await self._lifecycle.end(self._connection, call.id, ending):
            self._ended[call.id] = ended[0]
        return cause


# `waiting` hops over the index from workspace to workspace, so its cost grows with the workspaces that wait, not with
# their calls.
_NEXT_TURNS = """
WITH RECURSIVE waiting AS (
    (SELECT workspace_id, mode FROM calls WHERE status = 'queued' AND parent_call_id IS NULL
     ORDER BY workspace_id, mode LIMIT 1)
    UNION ALL
    SELECT next.workspace_id, next.mode FROM waiting, LATERAL (
        SELECT c.workspace_id, c.mode FROM calls c
        WHERE c.status = 'queued' AND c.parent_call_id IS NULL
          AND (c.workspace_id, c.mode) > (waiting.workspace_id, waiting.mode)
        ORDER BY c.workspace_id, c.mode LIMIT 1) next
)
SELECT q.workspace_id, q.mode, w.suspended_at, q.max_concurrent_calls - live.live AS slots,
       least(greatest(q.calls_per_second, 1), q.tokens + extract(epoch FROM $1 - q.tokens_at) * q.calls_per_second) AS filled
FROM waiting
JOIN call_queues q USING (workspace_id, mode)
JOIN workspaces w ON w.id = q.workspace_id
CROSS JOIN LATERAL (
    SELECT target_count FROM calls c
    WHERE c.workspace_id = q.workspace_id AND c.mode = q.mode AND c.status = 'queued' AND c.parent_call_id IS NULL
      AND NOT c.id = ANY ($4::uuid[])
    ORDER BY c.id LIMIT 1) oldest
CROSS JOIN LATERAL (
    SELECT count(*) AS live FROM calls live WHERE live.workspace_id = q.workspace_id AND live.mode = q.mode
        AND live.status IN ('ringing', 'answered') AND live.target_count = 1) live
WHERE q.tokens + extract(epoch FROM $1 - q.tokens_at) * q.calls_per_second >= 1
  AND q.waits_until <= $1
  AND oldest.target_count <= $2
  AND oldest.target_count <= q.max_concurrent_calls - live.live
ORDER BY q.mode = 'test', q.served_at
LIMIT $3 FOR UPDATE OF q SKIP LOCKED
"""

_OLDEST = f"""
SELECT {COLUMNS} FROM unnest($1::uuid[], $2::text[]) AS turn (workspace_id, mode)
CROSS JOIN LATERAL (
    SELECT * FROM calls c
    WHERE c.workspace_id = turn.workspace_id AND c.mode = turn.mode AND c.status = 'queued' AND c.parent_call_id IS NULL
      AND NOT c.id = ANY ($4::uuid[])
    ORDER BY c.id LIMIT $3 FOR UPDATE SKIP LOCKED) calls
ORDER BY calls.id
"""

_TAKE_TURNS = """
UPDATE call_queues q SET tokens = turn.tokens, tokens_at = $4, served_at = $4
FROM unnest($1::uuid[], $2::text[], $3::float8[]) AS turn (workspace_id, mode, tokens)
WHERE q.workspace_id = turn.workspace_id AND q.mode = turn.mode
"""

_WAIT = "UPDATE call_queues SET waits_until = $3 WHERE workspace_id = $1 AND mode = $2"
