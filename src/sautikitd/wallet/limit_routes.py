"""`/v1/wallet/limits`: the guards as they are, and lowering them."""

from collections.abc import Iterator
from typing import Annotated, Literal

import msgspec
from msgspec import UNSET, UnsetType

from sautikitd.http.checks import Circumstances, Fault, present, rule
from sautikitd.http.endpoint import Answer, ApiRequest, endpoint
from sautikitd.identity import audit
from sautikitd.identity.audit import Actor
from sautikitd.identity.principal import Principal, Scope
from sautikitd.numbering.prefixes import country_of_prefix
from sautikitd.wallet import limit_repository as repository
from sautikitd.wallet.limit_repository import WORKSPACE, Limit
from sautikitd.wallet.limits import LimitRaiseDenied, day_start
from sautikitd.wallet.models import Account
from sautikitd.wallet.money import CURRENCY

Cap = Annotated[int, msgspec.Meta(ge=0, le=1_000_000_000_00)]


def _check_prefix(prefix: str) -> str | None:
    return None if country_of_prefix(prefix) else "not digits that begin with a country's code, such as 256"


Prefix = Annotated[str, msgspec.Meta(extra={"check": _check_prefix})]


class SpendCap(msgspec.Struct, kw_only=True):
    """Null is no cap. A day is Nairobi's; what live calls hold counts as spent."""

    daily_minor: int | None = None
    per_call_minor: int | None = None
    spent_today_minor: int = 0
    held_minor: int = 0


class Limits(msgspec.Struct, kw_only=True):
    """`outbound_paused` says why, while the alarm has paused outbound calls."""

    workspace: SpendCap
    key: SpendCap
    calls_per_second: float
    max_concurrent_calls: int
    destination_prefixes: list[str]
    outbound_paused: str | None
    currency: str = CURRENCY


class LowerLimits(msgspec.Struct, kw_only=True, forbid_unknown_fields=True):
    """What is left out stays. `of`: the whole workspace, or the key that asks (caps on spending only)."""

    of: Literal["workspace", "key"] = "workspace"
    daily_minor: Cap | UnsetType = UNSET
    per_call_minor: Cap | UnsetType = UNSET
    max_concurrent_calls: Annotated[int, msgspec.Meta(ge=1)] | UnsetType = UNSET
    destination_prefixes: Annotated[list[Prefix], msgspec.Meta(max_length=300)] | UnsetType = UNSET

    @rule
    def a_key_has_caps_alone(self, _: Circumstances) -> Iterator[Fault]:
        if self.of == "key":
            for name in present(self, ("max_concurrent_calls", "destination_prefixes")):
                yield Fault(f"/{name}", "belongs to the whole workspace: leave `of` out to lower it")


class LimitRoutes:
    tag = "Wallet"

    @endpoint("GET", "/v1/wallet/limits", scope=Scope.WALLET_READ, answers={200: Limits})
    async def read(self, request: ApiRequest[None, None]) -> Answer:
        """Read the limits on spending and calling."""
        return Answer(body=await _limits(request))

    @endpoint(
        "PATCH",
        "/v1/wallet/limits",
        scope=Scope.WALLET_WRITE,
        body=LowerLimits,
        answers={200: Limits},
        errors=(LimitRaiseDenied,),
    )
    async def lower(self, request: ApiRequest[LowerLimits, None]) -> Answer:
        """Lower limits.

        A key may only lower them: caps on spending, calls at once, and the destinations that are open.
        """
        wish, principal = request.body, request.principal
        account = Account(principal.workspace_id, principal.mode)
        key_id = principal.id if wish.of == "key" else WORKSPACE
        daily, per_call = await repository.lock_limit(request.connection, account, key_id)
        daily, per_call = _lowered(daily, wish.daily_minor), _lowered(per_call, wish.per_call_minor)
        await repository.set_limit(request.connection, account, key_id, daily, per_call)
        if wish.max_concurrent_calls is not UNSET or wish.destination_prefixes is not UNSET:
            await _lower_calling(request, account)
        actor = Actor.of(principal, request.source_address)
        detail = {name: value for name, value in msgspec.structs.asdict(wish).items() if value is not UNSET}
        await audit.record(request.connection, actor, "limits.lower", detail=detail, now=request.now)
        return Answer(body=await _limits(request))


async def _lower_calling(request: ApiRequest[LowerLimits, None], account: Account) -> None:
    wish = request.body
    place = (account.workspace_id, account.mode)
    row = await request.connection.fetchrow(_QUEUE + " FOR UPDATE", *place)
    most, open_to = row["max_concurrent_calls"], row["destination_prefixes"]
    if wish.max_concurrent_calls is not UNSET:
        most = _lowered(most, wish.max_concurrent_calls)
    if wish.destination_prefixes is not UNSET:
        if not all(_within(prefix, open_to) for prefix in wish.destination_prefixes):
            raise LimitRaiseDenied
        open_to = wish.destination_prefixes
    await request.connection.execute(_SET_QUEUE, *place, most, open_to)


def _lowered(now: int | None, wanted: int | UnsetType) -> int | None:
    if wanted is UNSET:
        return now
    if now is not None and wanted > now:
        raise LimitRaiseDenied
    return wanted


def _within(prefix: str, open_to: list[str]) -> bool:
    return prefix.isascii() and prefix.isdigit() and prefix.startswith(tuple(open_to))


async def _limits(request: ApiRequest[LowerLimits, None] | ApiRequest[None, None]) -> Limits:
    principal: Principal = request.principal
    account = Account(principal.workspace_id, principal.mode)
    keys = [WORKSPACE, principal.id]
    caps = {
        one.key_id: _cap(one)
        for one in await repository.standing(request.connection, account, keys, day_start(request.real_now))
    }
    standing = await repository.guards(request.connection, account, keys)
    queue = await request.connection.fetchrow(_QUEUE, account.workspace_id, account.mode)
    return Limits(
        workspace=caps[WORKSPACE],
        key=caps[principal.id],
        calls_per_second=queue["calls_per_second"],
        max_concurrent_calls=queue["max_concurrent_calls"],
        destination_prefixes=queue["destination_prefixes"],
        outbound_paused=standing.reason,
    )


def _cap(limit: Limit) -> SpendCap:
    return SpendCap(
        daily_minor=limit.daily_minor,
        per_call_minor=limit.per_call_minor,
        spent_today_minor=limit.spent_minor,
        held_minor=limit.held_minor,
    )


_QUEUE = """
SELECT calls_per_second, max_concurrent_calls, destination_prefixes FROM call_queues WHERE workspace_id = $1 AND mode = $2
"""

_SET_QUEUE = """
UPDATE call_queues SET max_concurrent_calls = $3, destination_prefixes = $4 WHERE workspace_id = $1 AND mode = $2
"""
