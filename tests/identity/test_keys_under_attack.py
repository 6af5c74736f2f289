"""What a thief of keys, or of the table of keys, meets (contract §12)."""

from dataclasses import replace
from typing import Any

import pytest

from factories import Platform
from sautikitd.database.pool import Database
from sautikitd.identity.audit import OPERATOR
from sautikitd.identity.keys.authenticator import KeyAuthenticator
from sautikitd.identity.keys.errors import KeyInvalid, KeyRevoked, TooManyBadKeys
from sautikitd.identity.keys.format import new_key
from sautikitd.identity.principal import Principal, Scope
from sautikitd.identity.workspaces import Workspace
from sautikitd.ids import uuid7


class NoDatabase(Database):
    """Says so when anybody asks it for a connection."""

    def __init__(self) -> None:
        pass  # no pool

    def connection(self) -> Any:
        raise AssertionError("the database was asked")


async def test_a_key_whose_checksum_is_wrong_costs_no_query(platform: Platform, duka: Workspace) -> None:
    made = await platform.key(duka.id)
    last = "0" if made.key[-1] != "0" else "1"
    offline = KeyAuthenticator(NoDatabase(), platform.keys, platform.clock)
    with pytest.raises(KeyInvalid):
        await offline.authenticate(made.key[:-1] + last, "203.0.113.7")
    with pytest.raises(AssertionError, match="asked"):
        await offline.authenticate(made.key, "203.0.113.7")


async def test_revocation_reaches_every_process_within_a_second(platform: Platform, duka: Workspace) -> None:
    made = await platform.key(duka.id)
    here, there = platform.authenticator(), platform.authenticator()
    for one in (here, there):
        assert (await one.authenticate(made.key, "203.0.113.7")).id == made.record.id
    principal = Principal(id=uuid7(), workspace_id=duka.id, mode="test", scopes=frozenset({Scope.ALL}))
    async with platform.database.transaction() as connection:
        await platform.keys.revoke(connection, principal, made.record.id, OPERATOR, platform.clock.now())
    advance(platform, 1.0)
    for one in (here, there):
        with pytest.raises(KeyRevoked):
            await one.authenticate(made.key, "203.0.113.7")


async def test_guessing_is_slowed_for_its_source_alone_and_never_for_a_right_key(
    platform: Platform, duka: Workspace
) -> None:
    made = await platform.key(duka.id)
    authenticator = platform.authenticator()
    refusals: list[type[Exception]] = []
    for _ in range(40):
        with pytest.raises((KeyInvalid, TooManyBadKeys)) as refused:
            await authenticator.authenticate(new_key("test"), "203.0.113.7")
        refusals.append(refused.type)
    assert refusals[0] is KeyInvalid
    assert refusals[-1] is TooManyBadKeys
    assert (await authenticator.authenticate(made.key, "203.0.113.7")).id == made.record.id
    with pytest.raises(KeyInvalid):
        await authenticator.authenticate(new_key("test"), "198.51.100.1")


async def test_what_is_compared_is_a_keyed_hash_so_that_timing_tells_nothing(
    platform: Platform, duka: Workspace
) -> None:
    """The database looks for HMAC-SHA256 under a pepper: a guesser cannot choose how far it agrees with a stored one.

    So the comparison needs no constant time of its own; without the pepper no two prefixes of keys give like hashes.
    """
    made = await platform.key(duka.id)
    near = made.key[:-7] + ("a" if made.key[-7] != "a" else "b") + made.key[-6:]
    stored, other = platform.keys.hash(made.key), platform.keys.hash(near)
    agreeing = sum(a == b for a, b in zip(stored, other, strict=True))
    elsewhere = replace(platform.instance, key_pepper=bytes(32))
    assert len(stored) == 32
    assert agreeing < 8
    assert type(platform.keys)(elsewhere).hash(made.key) != stored


def advance(platform: Platform, seconds: float) -> None:
    platform.clock.advance(seconds)  # type: ignore[attr-defined]  # a ManualClock in tests
