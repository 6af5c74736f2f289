"""Adding, finding and removing trunks. Every act is in the audit log; passwords are sealed."""

import ipaddress
from collections.abc import Iterator
from datetime import datetime
from uuid import UUID

from sautikitd.database.pool import Connection
from sautikitd.errors import FieldProblem, Invalid
from sautikitd.identity import audit
from sautikitd.identity.audit import Actor
from sautikitd.ids import uuid7
from sautikitd.secretbox import SecretBox
from sautikitd.trunks import repository
from sautikitd.trunks.errors import TrunkInUse, TrunkNameTaken, TrunkNotFound
from sautikitd.trunks.models import NewTrunk, Trunk


class Trunks:
    def __init__(self, box: SecretBox) -> None:
        self._box = box

    async def add(self, connection: Connection, new: NewTrunk, actor: Actor, now: datetime) -> Trunk:
        """Raises `Invalid` and `TrunkNameTaken`. Voice nodes use it within seconds. Inside a transaction."""
        problems = [FieldProblem(f"/{name}", problem) for name, problem in _problems(new)]
        if problems:
            raise Invalid(fields=problems)
        made = uuid7()
        sealed = (
            self._box.seal(new.password.encode(), context=password_context(made)) if new.password else None
        )
        trunk = await repository.insert(connection, made, new, sealed, now)
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

    async def set_state(
        self, connection: Connection, trunk_id: UUID, state: str, detail: str, now: datetime
    ) -> None:
        """What a voice node last saw of the trunk."""
        await repository.set_state(connection, trunk_id, state, detail, now)

    async def remove(self, connection: Connection, name: str, actor: Actor, now: datetime) -> Trunk:
        """Raises `TrunkNotFound`, and `TrunkInUse` while calls run over it. Inside a transaction."""
        trunk = await self.find(connection, name)
        calls = await repository.live_calls(connection, trunk.id)
        if calls:
            raise TrunkInUse(name=name, calls=calls)
        await repository.remove(connection, trunk.id)
        await audit.record(connection, actor, "trunk.remove", str(trunk.id), {"name": name}, now=now)
        return trunk


def password_context(trunk_id: UUID) -> str:
    """What a trunk's password is sealed to."""
    return f"trunk password {trunk_id}"


def _problems(new: NewTrunk) -> Iterator[tuple[str, str]]:
    if not 1 <= len(new.name) <= 60 or not new.name.isprintable() or new.name != new.name.strip():
        yield "name", "1 to 60 printable characters, no space at the ends"
    if not 1 <= len(new.host) <= 253 or any(c.isspace() or c in "/@;" for c in new.host):
        yield "host", "not a host name or IP address, like sip.carrier.example"
    if not 1 <= new.port <= 65535:
        yield "port", "1 to 65535"
    if new.password and not new.username:
        yield "username", "needed with a password"
    if new.register and not (new.username and new.password):
        yield "register", "needs a username and a password"
    if not new.codecs:
        yield "codecs", "at least one of PCMA, PCMU"
    for index, cidr in enumerate(new.source_cidrs):
        try:
            ipaddress.ip_network(cidr)
        except ValueError:
            yield f"source_cidrs/{index}", "not a network like 197.248.0.0/16"
