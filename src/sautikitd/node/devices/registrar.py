"""The registrar of a node: REGISTERs entered in the database, devices kept reachable, and forgotten when they are gone."""

import asyncio
from collections.abc import Coroutine
from contextlib import suppress
from typing import Any
from uuid import UUID

import structlog

from sautikitd.clock import Clock
from sautikitd.database.pool import Database, DatabaseUnavailable
from sautikitd.devices import bindings
from sautikitd.devices.bindings import CredentialGone, DeviceWish, OutOfOrder, Registering
from sautikitd.devices.models import Binding, Whereabouts
from sautikitd.node.devices.identity import credential_of
from sautikitd.voice.sip import registrar as protocol
from sautikitd.voice.sip.hops import Hop, Source, Transport
from sautikitd.voice.sip.registrar import Register, RegisterRefused
from sautikitd.voice.sip.server_transaction import ServerTransaction
from sautikitd.voice.sip.stack import ALLOWED
from sautikitd.voice.sip.user_agent import UserAgent
from sautikitd.voice.sip.wire import Arrival

log = structlog.get_logger(__name__)

_KEEP_ALIVE_S = 25.0  # NATs forget a UDP binding after 30 (RFC 5626 §4.4.2 has 24 to 29)
_COME_AGAIN_S = 30
_ALLOW = ", ".join((*ALLOWED, "REGISTER"))


class Registrar:
    """Its `handle` answers REGISTER of devices that the doorkeeper has let in."""

    def __init__(self, node_id: UUID, database: Database, clock: Clock) -> None:
        self._node_id = node_id
        self._database = database
        self._clock = clock
        self._connected: set[Hop] = set()  # connections that devices have registered over
        self._datagrams: dict[Hop, float] = {}  # where devices that speak UDP are: until when, monotonic
        self._tasks: set[asyncio.Task[None]] = set()

    def handle(self, transaction: ServerTransaction, identity: str | None) -> None:
        credential_id = credential_of(identity)
        if credential_id is None:
            transaction.respond(protocol.refused(transaction.arrival, 403))
            return
        self._spawn(self._register(transaction, credential_id))

    def connection_lost(self, hop: Hop) -> None:
        """The devices that registered over it cannot be rung any more."""
        if hop in self._connected:
            self._connected.discard(hop)
            self._spawn(self._forget(hop))

    async def keep_alive(self, agent: UserAgent) -> None:
        """Keeps the NATs in front of devices open, until cancelled."""
        while True:
            await self._clock.sleep(_KEEP_ALIVE_S)
            now = self._clock.monotonic()
            self._datagrams = {hop: until for hop, until in self._datagrams.items() if until > now}
            for hop in self._datagrams:
                agent.keep_alive_at(hop)

    async def close(self) -> None:
        for task in list(self._tasks):
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    async def _register(self, transaction: ServerTransaction, credential_id: UUID) -> None:
        request = transaction.arrival
        try:
            asked = protocol.read_register(request)
            found = await self._enter(request, asked, credential_id)
        except RegisterRefused as refusal:
            transaction.respond(protocol.refused(request, refusal.code))
        except OutOfOrder:
            transaction.respond(protocol.refused(request, 500))
        except CredentialGone:
            transaction.respond(protocol.refused(request, 403))
        except DatabaseUnavailable as exc:
            log.warning("devices.not_registered", error=repr(exc))
            transaction.respond(protocol.refused(request, 503, retry_after=_COME_AGAIN_S))
        else:
            self._watch(request.source, found)
            now = self._clock.now()
            left = [(one.contact, max(0, int((one.expires_at - now).total_seconds()))) for one in found]
            transaction.respond(protocol.accepted(request, asked, left, allow=_ALLOW))

    async def _enter(self, request: Arrival, asked: Register, credential_id: UUID) -> list[Binding]:
        source = request.source
        where = Whereabouts(
            node_id=self._node_id, transport=source.transport.value, host=source.host, port=source.port
        )
        registering = Registering(
            call_id=request.call_id,
            cseq=request.cseq,
            devices=tuple(
                DeviceWish(device=one.device, contact=one.uri, seconds=one.seconds) for one in asked.contacts
            ),
            all_gone=asked.remove_all,
            user_agent=request.header("User-Agent"),
        )
        async with self._database.transaction() as connection:
            found = await bindings.register(connection, credential_id, registering, where, self._clock.now())
        return list(found)

    def _watch(self, source: Source, found: list[Binding]) -> None:
        """Notes what is registered from there, to keep it alive or to notice its end."""
        here = [one for one in found if (one.host, one.port) == (source.host, source.port)]
        if source.transport is not Transport.UDP:
            self._connected.add(source.hop)
            if source.flow is None or not source.flow.open:  # it closed while the database was asked
                self.connection_lost(source.hop)
        elif here:
            left = max(one.expires_at for one in here) - self._clock.now()
            self._datagrams[source.hop] = self._clock.monotonic() + left.total_seconds()
        else:
            self._datagrams.pop(source.hop, None)

    async def _forget(self, hop: Hop) -> None:
        where = Whereabouts(
            node_id=self._node_id, transport=hop.transport.value, host=hop.host, port=hop.port
        )
        with suppress(*DatabaseUnavailable):  # then its time runs out
            async with self._database.transaction() as connection:
                await bindings.connection_lost(connection, where)

    def _spawn(self, work: Coroutine[Any, Any, None]) -> None:
        task = asyncio.get_running_loop().create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._finished)

    def _finished(self, task: "asyncio.Task[None]") -> None:
        self._tasks.discard(task)
        if not task.cancelled() and (error := task.exception()) is not None:
            log.error("devices.task_failed", exc_info=error)
