"""Guards against fraud: caps on what calls may cost, and an alarm over the speed of spending (contract §7).

A cap counts what calls of the day (Nairobi) have cost and what live ones hold, so that calls in parallel cannot pass
it together. It is looked at when a call is placed, when it is dialled and whenever its hold grows.
"""

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any, Protocol, TypeAlias
from uuid import UUID

import msgspec

from sautikitd.clock import NAIROBI, Clock
from sautikitd.database.asking import Question
from sautikitd.database.pool import Connection
from sautikitd.errors import Refusal
from sautikitd.events.kinds import EventKind
from sautikitd.events.models import Event, Mode
from sautikitd.ids import uuid7
from sautikitd.wallet import limit_repository as repository
from sautikitd.wallet.errors import InsufficientFunds
from sautikitd.wallet.limit_repository import WORKSPACE, Limit
from sautikitd.wallet.models import Account
from sautikitd.wallet.money import CURRENCY, written
from sautikitd.wallet.prices import affordable_seconds, nairobi_day
from sautikitd.wallet.service import EventRecorder

ALARM_FLOOR_MINOR = 500_000
"""An hour that costs less than KES 5,000 never raises the alarm."""

ALARM_TIMES = 10
"""How many times the dearest hour of the last seven days an hour may cost before the alarm pauses outbound calls."""

_WARN_PERCENT = 80


class SpendLimit(Refusal):
    code = "wallet.spend_limit"
    status = 403
    message = "This call would pass {which}. Have the cap raised (owner or support); a day's starts anew at midnight in Nairobi."


class OutboundPaused(Refusal):
    code = "wallet.outbound_paused"
    status = 403
    message = "Outbound calls are paused: {reason} Write to support to have them resumed."


class LimitRaiseDenied(Refusal):
    code = "wallet.limit_raise_denied"
    status = 403
    message = (
        "An API key may only lower limits. Raising or lifting them takes an owner's session, or support."
    )


class StoppedAtDial(InsufficientFunds):
    """A cap leaves less than the hold needs: whoever asks for money alone may take it for an empty wallet."""


class PausedAtDial(StoppedAtDial):
    """No hold at all, while the alarm has paused outbound calls."""


class PauseNotice(Protocol):
    async def about_paused_outbound(
        self, connection: Connection, workspace_id: UUID, mode: Mode, reason: str
    ) -> None:
        """Writes a mail to the owners, in the connection's transaction."""
        ...


class Allowance(msgspec.Struct, frozen=True):
    """What one more hold may come to under the tightest cap; `which` names it. None: no cap."""

    minor: int | None
    which: str


Guards: TypeAlias = dict[tuple[Account, UUID | None], repository.Standing]
"""What stands in the way of outbound calls, by account and API key."""


class SpendGuards:
    def __init__(self, events: EventRecorder, clock: Clock, notice: PauseNotice | None = None) -> None:
        self._events = events
        self._clock = clock
        self._notice = notice

    async def authorise(
        self, connection: Connection, account: Account, key_id: UUID | None, needed_minor: int
    ) -> None:
        """Raises `OutboundPaused` and `SpendLimit` for a call whose first hold is `needed_minor`."""
        standing = await repository.guards(connection, account, _keys(key_id))
        await self.judge(connection, account, key_id, needed_minor, standing)

    @staticmethod
    def asked(account: Account, key_id: UUID | None) -> Question[repository.Standing]:
        """What `judge` has to know, where it is asked together with other things."""
        return repository.asked_guards(account, _keys(key_id))

    async def judge(
        self,
        connection: Connection,
        account: Account,
        key_id: UUID | None,
        needed_minor: int,
        standing: repository.Standing,
    ) -> None:
        """Raises what `authorise` does."""
        if standing.reason is not None:
            raise OutboundPaused(reason=standing.reason)
        if not standing.capped:
            return
        allowance = await self._allowance(connection, account, key_id)
        if allowance.minor is not None and allowance.minor < needed_minor:
            raise SpendLimit(which=allowance.which)

    async def authorise_dial(
        self,
        connection: Connection,
        account: Account,
        key_id: UUID | None,
        needed_minor: int,
        known: Guards | None = None,
    ) -> None:
        """The same for a hold about to be made; locks the wallet where there are caps. Raises `StoppedAtDial`, `PausedAtDial`.

        `known`: what was found in this transaction already, by account and key; filled here.
        """
        standing = await self._guards(connection, account, key_id, {} if known is None else known)
        if standing.reason is not None:
            raise PausedAtDial(needed_minor=needed_minor, available_minor=0)
        if not standing.capped:
            return
        allowance = await self._allowance(connection, account, key_id, lock=True)
        if allowance.minor is not None and allowance.minor < needed_minor:
            raise StoppedAtDial(needed_minor=needed_minor, available_minor=max(allowance.minor, 0))

    async def let_dial(
        self, connection: Connection, account: Account, key_id: UUID | None, known: Guards
    ) -> bool:
        """Whether nothing stands in the way of a dial whatever it costs: no pause, and no cap to count against."""
        standing = await self._guards(connection, account, key_id, known)
        return standing.reason is None and not standing.capped

    async def _guards(
        self, connection: Connection, account: Account, key_id: UUID | None, known: Guards
    ) -> repository.Standing:
        place = account, key_id
        if place not in known:
            known[place] = await repository.guards(connection, account, _keys(key_id))
        return known[place]

    async def seconds_allowed(
        self,
        connection: Connection,
        account: Account,
        key_id: UUID | None,
        *,
        held_minor: int,
        wanted_seconds: int,
        rate_per_minute: int,
    ) -> int:
        """Of `wanted_seconds` of a call that holds `held_minor` now, those the caps let it go on for."""
        allowance = await self._allowance(connection, account, key_id, held_by_call=held_minor, lock=True)
        if allowance.minor is None:
            return wanted_seconds
        affordable = affordable_seconds(allowance.minor, rate_per_minute)
        return wanted_seconds if affordable is None else min(wanted_seconds, affordable)

    async def record_spent(
        self, connection: Connection, account: Account, key_id: UUID | None, cost_minor: int
    ) -> None:
        """Counts what a call cost, tells of caps at 80 %, and pauses outbound calls when it goes too fast."""
        now = self._clock.now()
        hour = now.replace(minute=0, second=0, microsecond=0)
        spent, capped = await repository.count(connection, account, _keys(key_id), hour, cost_minor)
        limits = await repository.limits(connection, account, _keys(key_id), day_start(now)) if capped else []
        for limit in limits:
            if limit.daily_minor is not None and limit.spent_minor * 100 >= limit.daily_minor * _WARN_PERCENT:
                await self._warn(connection, account, limit, now)
        if spent >= ALARM_FLOOR_MINOR:
            await self._look_at_speed(connection, account, spent, hour, now)

    async def set_caps(
        self,
        connection: Connection,
        account: Account,
        key_id: UUID | None,
        daily_minor: int | None,
        per_call_minor: int | None,
    ) -> None:
        """By staff: up, down or none at all (None); of the workspace, or of one key."""
        await repository.lock_limit(connection, account, key_id or WORKSPACE)
        await repository.set_limit(connection, account, key_id or WORKSPACE, daily_minor, per_call_minor)

    async def resume(self, connection: Connection, account: Account) -> bool:
        """By staff: outbound calls go on, and the alarm is quiet for an hour. False where they were not paused."""
        return await repository.resume(connection, account, self._clock.now())

    async def _allowance(
        self,
        connection: Connection,
        account: Account,
        key_id: UUID | None,
        *,
        held_by_call: int = 0,
        lock: bool = False,
    ) -> Allowance:
        """Of caps that apply; with `lock` nobody else's hold comes between this and the next one."""
        keys = _keys(key_id)
        start = day_start(self._clock.now())
        found = await repository.limits(connection, account, keys, start)
        if found and lock:
            await repository.lock_wallet(connection, account)
            found = await repository.limits(connection, account, keys, start)
        tightest = Allowance(None, "")
        for limit in found:
            whose = "the workspace's" if limit.key_id == WORKSPACE else "this key's"
            rooms = []
            if limit.daily_minor is not None:
                left = limit.daily_minor - limit.spent_minor - limit.held_minor + held_by_call
                rooms.append((left, f"{whose} daily cap of {written(limit.daily_minor)}"))
            if limit.per_call_minor is not None:
                rooms.append((limit.per_call_minor, f"{whose} cap of {written(limit.per_call_minor)} a call"))
            for minor, which in rooms:
                if tightest.minor is None or minor < tightest.minor:
                    tightest = Allowance(minor, which)
        return tightest

    async def _warn(self, connection: Connection, account: Account, limit: Limit, now: datetime) -> None:
        if not await repository.tell_once(connection, account, limit.key_id, nairobi_day(now)):
            return
        data = {
            "api_key_id": None if limit.key_id == WORKSPACE else str(limit.key_id),
            "spent_minor": limit.spent_minor,
            "limit_minor": limit.daily_minor,
            "currency": CURRENCY,
        }
        await self._record(connection, account, EventKind.WALLET_SPEND_LIMIT, data, now)

    async def _look_at_speed(
        self, connection: Connection, account: Account, spent: int, hour: datetime, now: datetime
    ) -> None:
        usual = await repository.dearest_hour(connection, account, hour - timedelta(days=7), hour)
        if spent < ALARM_TIMES * usual:
            return
        reason = f"Calls of this hour have cost {written(spent)}, where an hour cost {written(usual)} at most in the last week."
        if not await repository.pause(connection, account, reason, now):
            return
        data = {"reason": reason, "spent_minor": spent, "usual_minor": usual, "currency": CURRENCY}
        await self._record(connection, account, EventKind.WALLET_OUTBOUND_PAUSED, data, now)
        if self._notice:
            await self._notice.about_paused_outbound(connection, account.workspace_id, account.mode, reason)

    async def _record(
        self,
        connection: Connection,
        account: Account,
        kind: EventKind,
        data: dict[str, Any],
        now: datetime,
    ) -> None:
        event = Event(
            id=uuid7(),
            workspace_id=account.workspace_id,
            mode=account.mode,
            kind=kind,
            data=data,
            occurred_at=now,
        )
        await self._events.record(connection, event)


def day_start(now: datetime) -> datetime:
    """Midnight in Nairobi."""
    return datetime.combine(nairobi_day(now), datetime.min.time(), NAIROBI)


def _keys(key_id: UUID | None) -> Sequence[UUID]:
    return [WORKSPACE] if key_id is None else [WORKSPACE, key_id]
