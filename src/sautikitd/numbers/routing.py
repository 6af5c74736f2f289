"""Where a number's calls go: callback, fallback, forwarding, events."""

from datetime import datetime
from uuid import UUID

import msgspec
from msgspec import UNSET

from sautikitd.database.pool import Connection
from sautikitd.identity import audit
from sautikitd.identity.audit import Actor
from sautikitd.identity.principal import Principal
from sautikitd.numbering.destinations import authorise_destination
from sautikitd.numbers import repository
from sautikitd.numbers.errors import NotAssigned, NumberNotFound
from sautikitd.numbers.models import NumberRecord, NumberStatus
from sautikitd.numbers.ports import DestinationPolicy
from sautikitd.numbers.requests import Routing, RoutingPatch
from sautikitd.webhooks.service import url_set


class NumberRouting:
    def __init__(self, destinations: DestinationPolicy) -> None:
        self._destinations = destinations

    async def change(
        self,
        connection: Connection,
        principal: Principal,
        number_id: UUID,
        wish: Routing | RoutingPatch,
        actor: Actor,
        now: datetime,
    ) -> NumberRecord:
        """Replaces the routing (`Routing`) or merges changes into it (`RoutingPatch`). Inside a transaction.

        Raises `NumberNotFound`, `NotAssigned` and `DestinationForbidden`.
        """
        number = await repository.find(connection, principal, number_id, lock=True)
        if number is None:
            raise NumberNotFound
        if number.status is NumberStatus.RELEASED:
            raise NotAssigned
        changes = {name: value for name, value in msgspec.structs.asdict(wish).items() if value is not UNSET}
        if changes.get("forward_to") is not None:
            changes["forward_to"] = await self._forward_to(connection, principal, changes["forward_to"])
        changed = await repository.change_routing(connection, number.id, changes, now)
        if changed.events_url and "events_url" in changes:
            await url_set(connection, principal.workspace_id, principal.mode, changed.events_url)
        detail = {"fields": sorted(changes)}
        await audit.record(connection, actor, "number.route", str(number.id), detail, now=now)
        return changed

    async def _forward_to(self, connection: Connection, principal: Principal, raw: str) -> str:
        """A number the workspace may call."""
        prefixes = await self._destinations.destination_prefixes(
            connection, principal.workspace_id, principal.mode
        )
        target = authorise_destination(raw, prefixes, mode=principal.mode, pointer="/forward_to")
        return target.e164
