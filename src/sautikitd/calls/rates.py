"""The price of a leg, frozen on it when it is placed: no later change of a tariff touches it (contract §4.6)."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any
from uuid import UUID

from sautikitd.calls.errors import NoTariff
from sautikitd.database.pool import Connection
from sautikitd.errors import FieldProblem
from sautikitd.wallet.tariffs import Rate, rate_for


async def outbound_rate(connection: Connection, workspace_id: UUID, e164: str, at: datetime) -> Rate:
    """What a minute to `e164` costs the workspace. Raises `NoTariff` where no tariff knows the destination."""
    rate = await rate_for(connection, workspace_id, "outbound", e164, at)
    if rate is None:
        raise NoTariff(destination=e164)
    return rate


def known_rates(rates: Sequence[Rate | None], callees: Mapping[str, str]) -> list[Rate]:
    """`callees` by where they stand in the request. Raises `NoTariff`, which names all that have no price."""
    unpriced = [place for place, rate in zip(callees, rates, strict=True) if rate is None]
    if unpriced:
        raise NoTariff(
            destination=", ".join(callees[place] for place in unpriced),
            fields=[FieldProblem(place, "there is no price for calls to it") for place in unpriced],
        )
    return [rate for rate in rates if rate is not None]


async def inbound_rate(connection: Connection, workspace_id: UUID, caller: str, at: datetime) -> Rate | None:
    """What a minute with a caller costs the workspace: by default nothing, an operator's tariff may differ (§4.6)."""
    return await rate_for(connection, workspace_id, "inbound", caller, at)


def frozen(rate: Rate | None) -> dict[str, Any]:
    """The columns of a call that keep its rate, and the prefix and the name of its destination. None: it is free."""
    if rate is None:
        return {"rate_per_minute_minor": 0, "rate_prefix": None, "rate_destination": None}
    return {
        "rate_per_minute_minor": rate.per_minute_minor,
        "rate_prefix": rate.prefix,
        "rate_destination": rate.destination,
    }
