"""Devices register: over UDP and TCP, with what they know and nothing else, until they are gone."""

import asyncio
from typing import Any

import pytest

from node.softphone import credential, softphone
from node.switchboard import Switchboard
from sautikitd.devices.credentials import SipCredentials
from sautikitd.devices.usernames import new_username
from sautikitd.identity.audit import OPERATOR
from sautikitd.voice.sip.address import NameAddr
from sautikitd.voice.sip.admission import DigestVerifier
from sautikitd.voice.sip.authorization import Authorizer
from sautikitd.voice.sip.digest import Credentials
from sautikitd.voice.sip.hops import Transport
from sautikitd.voice.sip.wire import Arrival
from voice.sip.raw_peer import RawPeer, raw_peer

BOTH = pytest.mark.parametrize("transport", [Transport.UDP, Transport.TCP])


async def bindings(board: Switchboard) -> list[dict[str, Any]]:
    async with board.platform.database.connection() as connection:
        return [dict(row) for row in await connection.fetch("SELECT * FROM sip_bindings ORDER BY id")]


@BOTH
async def test_a_device_is_registered_where_it_was_heard_from(
    board: Switchboard, transport: Transport
) -> None:
    async with softphone(board, transport=transport) as phone:
        outcome = await phone.register(300)
        assert outcome.code == 200
        assert outcome.response is not None
        contact = NameAddr.parse(outcome.response.listed("Contact")[0])
        assert contact.params["expires"] == "300"
        (binding,) = await bindings(board)
        assert (binding["transport"], binding["host"], binding["contact"]) == (
            transport.value,
            "127.0.0.1",
            contact.uri,
        )
        await phone.register(0)
        assert await bindings(board) == []


async def test_the_strongest_algorithm_is_offered_first(board: Switchboard) -> None:
    made = await credential(board)
    async with raw_peer() as peer:
        register(board, peer, made.credential.username)
        challenged = await peer.response()
    assert challenged.response.code == 401
    offered = challenged.message.headers.getlist("WWW-Authenticate")
    assert ["SHA-256" in value for value in offered] == [True, False]
    assert "algorithm=MD5" in offered[1]
    assert all('realm="sautikit"' in value for value in offered)


async def test_a_softphone_that_knows_sha_256_uses_it(
    board: Switchboard, monkeypatch: pytest.MonkeyPatch
) -> None:
    answered: list[str] = []

    def check(self: DigestVerifier, request: Arrival, params: dict[str, str], *rest: Any, **more: Any) -> Any:
        answered.append(params["algorithm"])
        return unwatched(self, request, params, *rest, **more)

    unwatched = DigestVerifier.check
    monkeypatch.setattr(DigestVerifier, "check", check)
    async with softphone(board) as phone:
        assert (await phone.register()).ok
    assert answered == ["SHA-256"]


async def test_a_baresip_that_would_give_up_at_another_algorithm_is_asked_for_md5_alone(
    board: Switchboard,
) -> None:
    made = await credential(board)
    async with raw_peer() as peer:
        register(board, peer, made.credential.username, agent="baresip v1.0.0 (x86_64/linux)")
        challenged = await peer.response()
    (offered,) = challenged.message.headers.getlist("WWW-Authenticate")
    assert "algorithm=MD5" in offered


async def test_a_wrong_password_is_refused_and_nothing_is_registered(board: Switchboard) -> None:
    async with softphone(board) as phone:
        phone.password = "wrong"
        assert (await phone.register()).code == 403
        assert await bindings(board) == []


async def test_a_time_too_short_is_refused_with_one_long_enough(board: Switchboard) -> None:
    async with softphone(board) as phone:
        outcome = await phone.register(20)
        assert outcome.code == 423
        assert outcome.response is not None
        assert outcome.response.header("Min-Expires") == "60"


async def test_a_star_removes_every_device_of_the_credential(board: Switchboard) -> None:
    made = await credential(board)
    async with softphone(board, made=made) as first, softphone(board, made=made) as second:
        await first.register(call_id="one")
        await second.register(call_id="two")
        assert len(await bindings(board)) == 2
        assert (await first.register(0, headers=[("Contact", "*")], call_id="one")).code == 200
        assert await bindings(board) == []


async def test_who_asks_only_hears_who_is_there(board: Switchboard) -> None:
    async with softphone(board) as phone:
        await phone.register()
        outcome = await phone.register(headers=[("Contact", "")])
        assert outcome.response is not None
        assert len(outcome.response.listed("Contact")) == 1


async def test_an_old_register_changes_nothing(board: Switchboard) -> None:
    async with softphone(board) as phone:
        await phone.register()
        phone._sent = 0
        assert (await phone.register(0)).code == 500
        assert len(await bindings(board)) == 1


async def test_nobody_registers_for_somebody_else(board: Switchboard) -> None:
    other = await credential(board)
    async with softphone(board) as phone:
        mine, phone.username = phone.username, other.credential.username
        outcome = await phone.agent.request(
            "REGISTER",
            target=f"sip:127.0.0.1:{phone.hop.port}",
            hop=phone.hop,
            local=phone.address,
            remote=phone.address,
            authorizer=authorizer_of(mine, phone.password),
        )
        assert outcome.code == 403
        assert await bindings(board) == []


async def test_a_connection_that_closes_takes_its_devices_with_it(board: Switchboard) -> None:
    async with softphone(board, transport=Transport.TCP) as phone:
        await phone.register()
        assert len(await bindings(board)) == 1
    await until_none(board)


async def test_a_changed_password_ends_what_the_old_one_registered(board: Switchboard) -> None:
    made = await credential(board)
    async with softphone(board, made=made) as phone:
        await phone.register()
        async with board.platform.database.transaction() as connection:
            rotated = await SipCredentials(board.platform.box).rotate(
                connection, board.number_id, made.credential.id, OPERATOR, board.platform.clock.now()
            )
        assert await bindings(board) == []
        assert (await phone.register()).code == 403
        phone.password = rotated.password
        assert (await phone.register()).code == 200


@pytest.mark.parametrize(
    ("username", "domain", "agent"),
    [
        ("100", "127.0.0.1", "Telephone"),
        ("admin", "127.0.0.1", "Telephone"),
        (None, "192.0.2.7", "Telephone"),
        (None, "127.0.0.1", "friendly-scanner"),
        (None, "127.0.0.1", "sipvicious"),
    ],
)
async def test_scanners_hear_nothing(
    board: Switchboard, username: str | None, domain: str, agent: str
) -> None:
    made = await credential(board)
    async with raw_peer() as peer:
        register(board, peer, username or made.credential.username, domain=domain, agent=agent)
        assert await peer.silence(0.3)


async def test_guessing_is_answered_less_and_less_told_of_and_locks_nobody_out(board: Switchboard) -> None:
    made = await credential(board, "reception")
    async with softphone(board, made=made) as guesser, softphone(board, made=made) as phone:
        guesser.password = "wrong"
        codes = [(await guesser.register(call_id=str(attempt))).code for attempt in range(20)]
        assert codes == [403] * 20
        silent = asyncio.ensure_future(guesser.register(call_id="one-more"))
        assert (await phone.register()).code == 200
        assert (await silent).code == 408
    async with board.platform.database.connection() as connection:
        (told,) = await connection.fetch("SELECT * FROM events WHERE kind = 'device.guessing'")
    assert told["data"]["credential_id"] == str(made.credential.id)
    assert (told["data"]["label"], told["data"]["source_address"]) == ("reception", "127.0.0.1")
    assert told["number_id"] == board.number_id


async def test_a_username_that_there_is_not_is_refused_like_a_wrong_password(board: Switchboard) -> None:
    async with softphone(board) as phone:
        phone.username = new_username()
        assert (await phone.register()).code == 403


async def until_none(board: Switchboard) -> None:
    async with asyncio.timeout(5):
        while await bindings(board):
            await asyncio.sleep(0.02)


def authorizer_of(username: str, password: str) -> Authorizer:
    return Authorizer(Credentials(username, password))


def register(
    board: Switchboard,
    peer: RawPeer,
    username: str,
    *,
    domain: str = "127.0.0.1",
    agent: str = "Telephone",
) -> None:
    """A REGISTER without credentials, as it goes over the wire."""
    assert board.exchange.node is not None
    port = board.exchange.node.port
    lines = [
        f"REGISTER sip:{domain} SIP/2.0",
        f"Via: SIP/2.0/UDP 127.0.0.1:{peer.port};rport;branch=z9hG4bKregister",
        f"From: <sip:{username}@{domain}>;tag=phone",
        f"To: <sip:{username}@{domain}>",
        "Call-ID: raw-register",
        "CSeq: 1 REGISTER",
        f"Contact: <sip:{username}@127.0.0.1:{peer.port}>",
        f"User-Agent: {agent}",
        "Content-Length: 0",
    ]
    peer.send("\r\n".join(lines).encode() + b"\r\n\r\n", port)
