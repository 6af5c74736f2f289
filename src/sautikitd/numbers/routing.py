"""Where a number's calls go: callback, fallback, forwarding, events."""

from datetime import datetime
from typing import Any
from uuid import UUID

import msgspec
from msgspec import UNSET

from sautikitd.database.pool import Connection
from sautikitd.egress.urls import check_url
from sautikitd.errors import FieldProblem, Invalid
from sautikitd.identity import audit
from sautikitd.identity.audit import Actor
from sautikitd.identity.principal import Principal
from sautikitd.numbering.destinations import authorise_destination
from sautikitd.numbers import inventory_repository, repository
from sautikitd.numbers.errors import NotAssigned, NumberNotFound
from sautikitd.numbers.models import NumberRecord, NumberStatus
from sautikitd.numbers.ports import DestinationPolicy
from sautikitd.numbers.requests import Routing, RoutingPatch
from sautikitd.webhooks.service import url_set

_URL_FIELDS = ("voice_callback_url", "fallback_url", "status_callback_url", "events_url")


class NumberRouting:
    def __init__(self, destinations: DestinationPolicy, *, allow_private_urls: bool = False) -> None:
        self._destinations = destinations
        self._allow_private_urls = allow_private_urls

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

        Raises `NumberNotFound`, `NotAssigned`, `Invalid`, `EmergencyUnsupported` and `DestinationForbidden`.
        """
        number = await repository.find(connection, principal, number_id, lock=True)
        if number is None:
            raise NumberNotFound
        if number.status is NumberStatus.RELEASED:
            raise NotAssigned
        changes = {name: value for name, value in msgspec.structs.asdict(wish).items() if value is not UNSET}
        self._refuse_bad_urls(changes, live=principal.mode == "live")
        if changes.get("forward_to") is not None:
            changes["forward_to"] = await self._forward_to(connection, principal, changes["forward_to"])
        changed = await repository.change_routing(connection, number.id, changes, now)
        if changed.events_url and "events_url" in changes:
            await url_set(connection, principal.workspace_id, principal.mode, changed.events_url)
        detail = {"fields": sorted(changes)}
        await audit.record(connection, actor, "number.route", str(number.id), detail, now=now)
        return changed

    def _refuse_bad_urls(self, changes: dict[str, Any], *, live: bool) -> None:
        problems = []
        for name in _URL_FIELDS:
            url = changes.get(name)
            problem = check_url(url, live=live, allow_private=self._allow_private_urls) if url else None
            if problem:
                problems.append(FieldProblem(f"/{name}", problem.reason))
        if problems:
            raise Invalid(fields=problems)

    async def _forward_to(self, connection: Connection, principal: Principal, raw: str) -> str:
        """A number the workspace may call, and none of the platform's own: calls would go round in circles."""
        prefixes = await self._destinations.destination_prefixes(
            connection, principal.workspace_id, principal.mode
        )
        target = authorise_destination(raw, prefixes, mode=principal.mode, pointer="/forward_to")
        if await inventory_repository.is_ours(connection, principal.mode, target.e164):
            problem = "a number of this platform; forward to an ordinary phone, or use a `dial` action"
            raise Invalid(fields=[FieldProblem("/forward_to", problem)])
        return target.e164
