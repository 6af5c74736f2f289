"""Adding, finding and removing trunks. Every act is in the audit log; passwords are sealed."""

from collections.abc import Callable, Iterable, Sequence
from datetime import datetime
from uuid import UUID

import msgspec

from sautikitd.database.pool import Connection
from sautikitd.errors import FieldProblem, Invalid
from sautikitd.identity import audit
from sautikitd.identity.audit import Actor
from sautikitd.ids import uuid7
from sautikitd.secretbox import SecretBox
from sautikitd.trunks import repository
from sautikitd.trunks.errors import TrunkInUse, TrunkNameTaken, TrunkNotFound
from sautikitd.trunks.models import NewTrunk, Trunk, TrunkState, TrunkTerms
from sautikitd.trunks.terms import problems_of, problems_of_name


class Trunks:
    def __init__(self, box: SecretBox) -> None:
        self._box = box

    async def add(self, connection: Connection, new: NewTrunk, actor: Actor, now: datetime) -> Trunk:
        """Raises `Invalid` and `TrunkNameTaken`. Inside a transaction; tell the voice nodes by `CHANNEL` after it."""
        _refuse([*problems_of_name(new.name), *problems_of(new, has_password=bool(new.password))])
        made = uuid7()
        trunk = await repository.insert(
            connection, made, new.name, new, self._sealed(made, new.password), now
        )
        if trunk is None:
            raise TrunkNameTaken(name=new.name)
        detail = {"name": new.name, "host": new.host, "port": new.port, "transport": new.transport}
        await audit.record(connection, actor, "trunk.add", str(made), detail, now=now)
        return trunk

    async def all(self, connection: Connection) -> list[Trunk]:
        """In the order of their names."""
        return await repository.all_of(connection)

    async def find(self, connection: Connection, name: str) -> Trunk:
        """Raises `TrunkNotFound`."""
        trunk = await repository.find(connection, name)
        if trunk is None:
            raise TrunkNotFound(name=name)
        return trunk

    async def password(self, connection: Connection, trunk_id: UUID) -> str | None:
        sealed = await repository.sealed_password(connection, trunk_id)
        if sealed is None:
            return None
        return self._box.open(sealed, context=password_context(trunk_id)).decode()

    async def enabled(self, connection: Connection) -> list[tuple[Trunk, str | None]]:
        """The trunks that may carry calls, each with its password in clear: for voice nodes."""
        sealed = await repository.sealed_passwords(connection)
        return [
            (
                trunk,
                self._box.open(sealed[trunk.id], context=password_context(trunk.id)).decode()
                if trunk.id in sealed
                else None,
            )
            for trunk in await repository.all_of(connection)
            if trunk.enabled
        ]

    async def edit(
        self,
        connection: Connection,
        name: str,
        change: Callable[[TrunkTerms], TrunkTerms],
        actor: Actor,
        now: datetime,
        *,
        password: str | msgspec.UnsetType | None = msgspec.UNSET,
    ) -> Trunk:
        """Makes its terms what `change` makes of them; `password` None takes it away. Raises `TrunkNotFound`, `Invalid`.

        Calls that run keep the way they went. Inside a transaction.
        """
        trunk = await self.find(connection, name)
        stored = await repository.sealed_password(connection, trunk.id) is not None
        has_password = stored if isinstance(password, msgspec.UnsetType) else bool(password)
        terms = change(trunk)
        _refuse(problems_of(terms, has_password=has_password))
        if not isinstance(password, msgspec.UnsetType):
            await repository.set_password(connection, trunk.id, self._sealed(trunk.id, password))
        edited = await repository.update(connection, trunk.id, terms)
        changed = [one for one in TrunkTerms.__struct_fields__ if getattr(trunk, one) != getattr(edited, one)]
        if not isinstance(password, msgspec.UnsetType):
            changed.append("password")
        told = {"name": name, "changed": changed}
        await audit.record(connection, actor, "trunk.edit", str(trunk.id), told, now=now)
        return edited

    def _sealed(self, trunk_id: UUID, password: str | None) -> bytes | None:
        if not password:
            return None
        return self._box.seal(password.encode(), context=password_context(trunk_id))

    async def set_state(
        self, connection: Connection, trunk_id: UUID, state: TrunkState, detail: str, now: datetime
    ) -> None:
        """What a voice node last saw of the trunk."""
        await repository.set_state(connection, trunk_id, state, detail, now)

    async def lease_registrations(
        self, connection: Connection, trunk_ids: Sequence[UUID], node_id: UUID, now: datetime, until: datetime
    ) -> set[UUID]:
        """Those of the trunks that this node keeps registered until then, and no other does."""
        return await repository.lease_registrations(connection, trunk_ids, node_id, now, until)

    async def release_registrations(self, connection: Connection, node_id: UUID) -> None:
        await repository.release_registrations(connection, node_id)

    async def live_calls(self, connection: Connection, trunk_id: UUID) -> int:
        """How many calls it carries now, both ways."""
        return await repository.live_calls(connection, trunk_id)

    async def remove(self, connection: Connection, name: str, actor: Actor, now: datetime) -> Trunk:
        """Raises `TrunkNotFound`, and `TrunkInUse` while calls run over it. Inside a transaction."""
        trunk = await self.find(connection, name)
        calls = await repository.live_calls(connection, trunk.id)
        if calls:
            raise TrunkInUse(name=name, calls=calls)
        await repository.remove(connection, trunk.id, now)
        await audit.record(connection, actor, "trunk.remove", str(trunk.id), {"name": name}, now=now)
        return trunk


def password_context(trunk_id: UUID) -> str:
    """What a trunk's password is sealed to."""
    return f"trunk password {trunk_id}"


def _refuse(problems: Iterable[tuple[str, str]]) -> None:
    fields = [FieldProblem(f"/{name}", problem) for name, problem in problems]
    if fields:
        raise Invalid(fields=fields)
