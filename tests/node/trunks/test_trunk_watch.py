"""Trunks kept: registered with a digest where they want it, pinged, their state in the database, their sources known."""

import asyncio
from collections.abc import AsyncIterator

import pytest
from prometheus_client import REGISTRY

from factories import BOX
from ports import free_port
from sautikitd.clock import ManualClock, SystemClock
from sautikitd.database.pool import Database
from sautikitd.identity.audit import OPERATOR
from sautikitd.ids import uuid7
from sautikitd.node.trunks.routes import Routes
from sautikitd.node.trunks.watch import TrunkWatch
from sautikitd.trunks.models import NewTrunk
from sautikitd.trunks.service import Trunks
from sautikitd.voice.sip.admission import Admit, DigestVerifier, Verdict
from sautikitd.voice.sip.digest import ha1
from sautikitd.voice.sip.hops import Source, Transport
from sautikitd.voice.sip.server_transaction import ServerTransaction
from sautikitd.voice.sip.transactions import reply
from sautikitd.voice.sip.user_agent import UserAgent
from sautikitd.voice.sip.wire import Arrival
from voice.sip.far_end import user_agent


class Registrar:
    """A carrier that lets `duka` with the password `siri` register, and nobody else."""

    def __init__(self) -> None:
        self.registered = 0
        self.where: dict[str, int] = {}
        """Contacts, and the seconds that the latest REGISTER asked for."""
        self._digest = DigestVerifier("carrier.example")

    async def authenticate(self, request: Arrival) -> Verdict:
        params = self._digest.read(request)
        if params is None:
            return self._digest.demand()
        secrets = {"SHA-256": ha1("duka", "carrier.example", "siri", "SHA-256")}
        return self._digest.check(request, params, secrets) or Admit("duka")

    def register(self, transaction: ServerTransaction, identity: str | None) -> None:
        self.registered += 1
        self.where[transaction.arrival.header("Contact")] = int(transaction.arrival.header("Expires"))
        response = reply(transaction.arrival, 200, to_tag="registrar")
        response.headers.set("Expires", "600")
        transaction.respond(response)


@pytest.fixture
async def watched(
    database: Database,
) -> AsyncIterator[tuple[Database, TrunkWatch, Routes, Trunks, UserAgent, Registrar]]:
    registrar = Registrar()
    carrier = UserAgent(authenticator=registrar, handlers={"REGISTER": registrar.register})
    ours = UserAgent()
    await carrier.start(("127.0.0.1", 0))
    await ours.start(("127.0.0.1", 0))
    trunks, clock = Trunks(BOX), SystemClock()
    routes = Routes(("127.0.0.1", 1))
    watch = TrunkWatch(uuid7(), ours, routes, trunks, database, clock)
    yield database, watch, routes, trunks, carrier, registrar
    await watch.close()
    await ours.stop()
    await carrier.stop()


async def _state(
    database: Database, trunks: Trunks, name: str, wanted: str, clock: ManualClock | None = None
) -> str:
    """The detail of a trunk's state, once it is `wanted`; time passes meanwhile on a clock of the test's own."""
    async with asyncio.timeout(10):
        while True:
            async with database.connection() as connection:
                trunk = await trunks.find(connection, name)
            if trunk.state == wanted:
                return trunk.state_detail
            if clock:
                clock.advance(0.5)
            await asyncio.sleep(0.05)


async def test_a_trunk_that_wants_it_is_registered_with_its_digest_and_another_is_pinged(
    watched: tuple[Database, TrunkWatch, Routes, Trunks, UserAgent, Registrar],
) -> None:
    database, watch, routes, trunks, carrier, registrar = watched
    port = carrier.bound[1]
    async with database.transaction() as connection:
        wishes = (
            NewTrunk(
                name="signed-in", host="127.0.0.1", port=port, username="duka", password="siri", register=True
            ),
            NewTrunk(name="by-address", host="127.0.0.1", port=port),
        )
        for wish in wishes:
            await trunks.add(connection, wish, OPERATOR, SystemClock().now())
    running = asyncio.create_task(watch.run())
    try:
        assert await _state(database, trunks, "signed-in", "ok") == "registered"
        assert await _state(database, trunks, "by-address", "ok") == "answered OPTIONS with 200"
        await watch.refresh()  # the state has changed since, and that is no reason to register anew
        assert registrar.registered == 1
        assert routes.knows(Source(Transport.UDP, "127.0.0.1", 40000)) is not None
        assert routes.knows(Source(Transport.UDP, "192.0.2.77", 5060)) is None
    finally:
        running.cancel()
        await asyncio.gather(running, return_exceptions=True)


async def test_a_wrong_password_shows_as_failed_with_the_carriers_word(
    watched: tuple[Database, TrunkWatch, Routes, Trunks, UserAgent, Registrar],
) -> None:
    database, watch, _, trunks, carrier, _ = watched
    async with database.transaction() as connection:
        wish = NewTrunk(
            name="wrong",
            host="127.0.0.1",
            port=carrier.bound[1],
            username="duka",
            password="no",
            register=True,
        )
        await trunks.add(connection, wish, OPERATOR, SystemClock().now())
    running = asyncio.create_task(watch.run())
    try:
        assert "registration: 4" in await _state(database, trunks, "wrong", "failed")
    finally:
        running.cancel()
        await asyncio.gather(running, return_exceptions=True)


async def test_a_trunk_that_a_call_found_silent_is_down_until_it_answers_options_to_any_node(
    watched: tuple[Database, TrunkWatch, Routes, Trunks, UserAgent, Registrar],
) -> None:
    database, _, _, trunks, carrier, _ = watched
    clock = ManualClock()
    async with database.transaction() as connection:
        wish = NewTrunk(name="one", host="127.0.0.1", port=carrier.bound[1])
        added = await trunks.add(connection, wish, OPERATOR, clock.now())
    async with user_agent() as first, user_agent() as second:
        nodes = [
            TrunkWatch(uuid7(), agent, Routes(("127.0.0.1", 1)), trunks, database, clock)
            for agent in (first, second)
        ]
        running = [asyncio.create_task(node.run()) for node in nodes]
        try:
            await _state(database, trunks, "one", "ok")
            nodes[0].suspect(added.id, "no answer to INVITE")
            await _state(database, trunks, "one", "failed")
            running[0].cancel()  # the node that told so is gone, and the other finds it well again
            async with asyncio.timeout(10):
                while True:
                    clock.advance(1)
                    async with database.connection() as connection:
                        if (await trunks.find(connection, "one")).state == "ok":
                            break
                    await asyncio.sleep(0.02)
        finally:
            for task in running:
                task.cancel()
            await asyncio.gather(*running, return_exceptions=True)
            for node in nodes:
                await node.close()


async def test_a_dead_trunk_keeps_nobody_from_seeing_the_others(
    watched: tuple[Database, TrunkWatch, Routes, Trunks, UserAgent, Registrar],
) -> None:
    database, watch, _, trunks, carrier, _ = watched
    async with database.transaction() as connection:
        for wish in (
            NewTrunk(name="dead", host="127.0.0.1", port=free_port()),
            NewTrunk(name="well", host="127.0.0.1", port=carrier.bound[1]),
        ):
            await trunks.add(connection, wish, OPERATOR, SystemClock().now())
    running = asyncio.create_task(watch.run())
    try:
        assert await _state(database, trunks, "well", "ok") == "answered OPTIONS with 200"
        assert await _state(database, trunks, "dead", "failed") == "no answer to OPTIONS"
        up = {
            name: REGISTRY.get_sample_value("sautikit_trunk_up", {"trunk": name}) for name in ("well", "dead")
        }
        assert up == {"well": 1, "dead": 0}
    finally:
        running.cancel()
        await asyncio.gather(running, return_exceptions=True)


async def test_a_trunk_that_never_answers_options_is_well_until_a_call_finds_it_silent(
    watched: tuple[Database, TrunkWatch, Routes, Trunks, UserAgent, Registrar],
) -> None:
    database, watch, _, trunks, _, _ = watched
    async with database.transaction() as connection:
        wish = NewTrunk(name="shy", host="127.0.0.1", port=free_port(), ping=False)
        added = await trunks.add(connection, wish, OPERATOR, SystemClock().now())
    running = asyncio.create_task(watch.run())
    try:
        assert await _state(database, trunks, "shy", "ok") == "not asked"
        watch.suspect(added.id, "no answer to INVITE")
        assert await _state(database, trunks, "shy", "failed") == "no answer to INVITE"
    finally:
        running.cancel()
        await asyncio.gather(running, return_exceptions=True)


async def test_of_two_nodes_one_keeps_a_trunk_registered_and_when_it_dies_the_other_does(
    watched: tuple[Database, TrunkWatch, Routes, Trunks, UserAgent, Registrar],
) -> None:
    database, _, _, trunks, carrier, registrar = watched
    clock = ManualClock()
    async with database.transaction() as connection:
        wish = NewTrunk(
            name="one",
            host="127.0.0.1",
            port=carrier.bound[1],
            username="duka",
            password="siri",
            register=True,
        )
        await trunks.add(connection, wish, OPERATOR, clock.now())
    async with user_agent() as first, user_agent() as second:
        agents = [first, second]
        nodes = [
            TrunkWatch(uuid7(), agent, Routes(("127.0.0.1", 1)), trunks, database, clock) for agent in agents
        ]
        running = [asyncio.create_task(node.run()) for node in nodes]
        try:
            await _state(database, trunks, "one", "ok", clock)
            for _ in range(12):  # a minute of renewals: nobody else comes in between
                clock.advance(5)
                await asyncio.sleep(0.02)
            (only,) = registrar.where
            owner = next(i for i, agent in enumerate(agents) if str(agent.bound[1]) in only)
            running[owner].cancel()  # killed: it neither unregisters nor gives the lease back
            passed = 0.0
            async with asyncio.timeout(10):
                while len(registrar.where) < 2:
                    clock.advance(0.5)
                    passed += 0.5
                    await asyncio.sleep(0.02)
            assert passed <= 20
            assert await _state(database, trunks, "one", "ok", clock) == "registered"
            await nodes[
                1 - owner
            ].close()  # stopped in good order: unregistered, and free for the next at once
            async with database.connection() as connection:
                holder = await connection.fetchval("SELECT registrar_id FROM trunks")
            assert (holder, list(registrar.where.values())) == (None, [600, 0])
        finally:
            for task in running:
                task.cancel()
            await asyncio.gather(*running, return_exceptions=True)
            for node in nodes:
                await node.close()
