"""Registrations: a device says where it is, for how long, and that it is gone (RFC 3261 §10.3)."""

from collections.abc import Sequence
from datetime import datetime, timedelta
from uuid import UUID

import msgspec

from sautikitd.database.pool import Connection
from sautikitd.devices import binding_repository as repository
from sautikitd.devices import credential_repository
from sautikitd.devices.models import Binding, Whereabouts
from sautikitd.events.models import Mode
from sautikitd.ids import uuid7

MOST_DEVICES = 10
"""Of one credential; the one that registered longest ago makes room for another."""


class OutOfOrder(Exception):
    """A REGISTER that is older than one already dealt with: to be refused, with nothing changed."""


class CredentialGone(Exception):
    """The credential was deleted, or is over, between the proof and the registration."""


class DeviceWish(msgspec.Struct, frozen=True, kw_only=True):
    """One Contact of a REGISTER. `device` tells the credential's devices apart; 0 seconds: it is gone."""

    device: str
    contact: str
    seconds: int


class Registering(msgspec.Struct, frozen=True, kw_only=True):
    """What a REGISTER asks for. Without `devices` it only asks who is there; `all_gone` is `Contact: *`."""

    call_id: str
    cseq: int
    devices: tuple[DeviceWish, ...] = ()
    all_gone: bool = False
    user_agent: str = ""


async def register(
    connection: Connection, credential_id: UUID, asked: Registering, where: Whereabouts, now: datetime
) -> Sequence[Binding]:
    """Does it, and gives all devices of the credential there are then. Inside a transaction.

    A binding never outlives its credential. Raises `OutOfOrder` and `CredentialGone`.
    """
    credential = await credential_repository.by_id(connection, credential_id, now)
    if credential is None:
        raise CredentialGone
    if (asked.devices or asked.all_gone) and await repository.stale(
        connection, credential_id, asked.call_id, asked.cseq
    ):
        raise OutOfOrder
    if asked.all_gone:
        await repository.remove(connection, credential_id)
    for wish in asked.devices:  # a handful: the reader of REGISTER sees to it
        if wish.seconds == 0:
            await repository.remove(connection, credential_id, wish.device)
            continue
        until = now + timedelta(seconds=wish.seconds)
        binding = Binding(
            id=uuid7(),
            credential_id=credential_id,
            contact=wish.contact,
            node_id=where.node_id,
            transport=where.transport,
            host=where.host,
            port=where.port,
            user_agent=asked.user_agent[:200],
            registered_at=now,
            expires_at=min(until, credential.expires_at or until),
        )
        await repository.put(connection, binding, device=wish.device, call_id=asked.call_id, cseq=asked.cseq)
    if asked.devices:
        await repository.remove_oldest(connection, credential_id, MOST_DEVICES)
        await credential_repository.note_registered(connection, credential_id, now)
    return (await repository.of_credentials(connection, [credential_id], now)).get(credential_id, [])


async def connection_lost(connection: Connection, where: Whereabouts) -> int:
    """Forgets the devices of a connection that is gone; returns how many there were."""
    return await repository.remove_connection(connection, where)


async def named(
    connection: Connection, workspace_id: UUID, mode: Mode, name: str, now: datetime
) -> Sequence[Binding]:
    """The devices that ring for a name: a credential's username, or the identity of tokens."""
    return await repository.of_name(connection, workspace_id, mode, name, now, MOST_DEVICES)


async def tidy(connection: Connection, now: datetime, limit: int = 1000) -> int:
    """Deletes what is over, tokens and bindings; returns how many."""
    removed = await repository.remove_expired(connection, now, limit)
    return removed + await credential_repository.delete_expired(connection, now, limit)
