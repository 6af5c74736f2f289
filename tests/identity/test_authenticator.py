from datetime import timedelta
from ipaddress import ip_network

import pytest

from factories import Platform, advance
from sautikitd.identity.audit import OPERATOR
from sautikitd.identity.keys.errors import (
    KeyExpired,
    KeyInvalid,
    KeyRevoked,
    SourceDenied,
    TooManyBadKeys,
)
from sautikitd.identity.keys.format import new_key
from sautikitd.identity.keys.models import NewKey
from sautikitd.identity.keys.service import MadeKey
from sautikitd.identity.principal import Role
from sautikitd.identity.workspaces import Workspace


async def make(platform: Platform, workspace: Workspace, **given: object) -> MadeKey:
    fields = {
        "workspace_id": workspace.id,
        "mode": "live",
        "name": "key",
        "scopes": frozenset({"calls.read"}),
    }
    new = NewKey(**(fields | given))  # type: ignore[arg-type]
    async with platform.database.transaction() as connection:
        return await platform.keys.create(connection, new, OPERATOR, platform.clock.now())


async def revoke(platform: Platform, made: MadeKey) -> None:
    async with platform.database.transaction() as connection:
        await connection.execute("UPDATE api_keys SET revoked_at = now() WHERE id = $1", made.record.id)


async def test_a_key_proves_itself(platform: Platform, duka: Workspace) -> None:
    made = await make(platform, duka)
    principal = await platform.authenticator().authenticate(made.key, "197.248.1.1")
    assert (principal.id, principal.workspace_id, principal.mode) == (made.record.id, duka.id, "live")
    assert principal.may("calls.read")
    assert not principal.may("calls.write")


async def test_only_a_keyed_hash_is_stored(platform: Platform, duka: Workspace) -> None:
    made = await make(platform, duka)
    async with platform.database.connection() as connection:
        row = str(dict(await connection.fetchrow("SELECT * FROM api_keys WHERE id = $1", made.record.id)))
    assert made.key[13:40] not in row


@pytest.mark.parametrize(
    "credential",
    ["", "nonsense", new_key("live"), new_key("test")[:-1] + "!"],
    ids=["empty", "nonsense", "unknown", "mistyped"],
)
async def test_what_is_no_key_of_ours_is_invalid(platform: Platform, credential: str) -> None:
    with pytest.raises(KeyInvalid) as refused:
        await platform.authenticator().authenticate(credential, "197.248.1.1")
    assert refused.value.headers["WWW-Authenticate"].startswith("Bearer")


async def test_revocation_works_within_a_second(platform: Platform, duka: Workspace) -> None:
    made = await make(platform, duka)
    authenticator = platform.authenticator()
    await authenticator.authenticate(made.key, "197.248.1.1")
    await revoke(platform, made)
    advance(platform.clock, seconds=1)
    with pytest.raises(KeyRevoked):
        await authenticator.authenticate(made.key, "197.248.1.1")


async def test_a_key_expires_to_the_second_even_when_remembered(platform: Platform, duka: Workspace) -> None:
    made = await make(platform, duka, expires_at=platform.clock.now() + timedelta(seconds=10.5))
    authenticator = platform.authenticator()
    advance(platform.clock, seconds=10)
    await authenticator.authenticate(made.key, "197.248.1.1")
    advance(platform.clock, seconds=0.5)
    with pytest.raises(KeyExpired):
        await authenticator.authenticate(made.key, "197.248.1.1")


async def test_a_key_limited_to_networks_is_refused_from_elsewhere(
    platform: Platform, duka: Workspace
) -> None:
    networks = (ip_network("197.248.0.0/16"), ip_network("2c0f:fe38::/32"))
    made = await make(platform, duka, source_cidrs=networks)
    authenticator = platform.authenticator()
    for source in ("197.248.1.1", "::ffff:197.248.1.1", "2c0f:fe38::1"):
        await authenticator.authenticate(made.key, source)
    for source in ("41.90.1.1", "::1", "", "not an address"):
        with pytest.raises(SourceDenied):
            await authenticator.authenticate(made.key, source)


async def test_trying_wrong_keys_never_locks_out_a_right_one(platform: Platform, duka: Workspace) -> None:
    made = await make(platform, duka)
    authenticator = platform.authenticator()
    refusals = []
    for _ in range(30):
        with pytest.raises((KeyInvalid, TooManyBadKeys)) as refused:
            await authenticator.authenticate(new_key("live"), "41.90.1.1")
        refusals.append(refused.type)
    assert refusals == [KeyInvalid] * 20 + [TooManyBadKeys] * 10
    assert (await authenticator.authenticate(made.key, "41.90.1.1")).id == made.record.id
    with pytest.raises(KeyInvalid):
        await authenticator.authenticate(new_key("live"), "41.90.1.2")


async def test_a_key_shrinks_and_ends_with_its_maker(platform: Platform, duka: Workspace) -> None:
    async with platform.database.connection() as connection:
        owner = await connection.fetchval("SELECT user_id FROM members WHERE workspace_id = $1", duka.id)
        made = await make(platform, duka, created_by=owner, scopes=frozenset({"*"}))
        authenticator = platform.authenticator()
        rights = []
        for role in Role:
            await connection.execute("UPDATE members SET role = $1", role)
            advance(platform.clock, seconds=1)
            principal = await authenticator.authenticate(made.key, "41.90.1.1")
            asked = ("*", "calls.write", "wallet.topup", "calls.read")
            rights.append([scope for scope in asked if principal.may(scope)])
        await connection.execute("DELETE FROM members")
        advance(platform.clock, seconds=1)
        with pytest.raises(KeyRevoked):
            await authenticator.authenticate(made.key, "41.90.1.1")
    assert rights == [
        ["*", "calls.write", "wallet.topup", "calls.read"],
        ["*", "calls.write", "calls.read"],
        ["calls.read"],
    ]


async def test_last_use_is_written_at_most_once_a_minute(platform: Platform, duka: Workspace) -> None:
    made = await make(platform, duka)
    authenticator = platform.authenticator()

    async def use() -> object:
        await authenticator.authenticate(made.key, "41.90.1.1")
        await authenticator.flush()
        async with platform.database.connection() as connection:
            return await connection.fetchval(
                "SELECT last_used_at FROM api_keys WHERE id = $1", made.record.id
            )

    first = platform.clock.now()
    assert await use() == first
    advance(platform.clock, seconds=59)
    assert await use() == first
    last = platform.clock.now()
    advance(platform.clock, seconds=1)
    await authenticator.flush()
    async with platform.database.connection() as connection:
        seen = await connection.fetchval("SELECT last_used_at FROM api_keys WHERE id = $1", made.record.id)
    assert seen == last


async def test_suspension_is_seen_within_a_second(platform: Platform, duka: Workspace) -> None:
    made = await make(platform, duka)
    authenticator = platform.authenticator()
    assert not (await authenticator.authenticate(made.key, "41.90.1.1")).suspended
    async with platform.database.transaction() as connection:
        await platform.workspaces.suspend(connection, duka.id, "unpaid", OPERATOR, platform.clock.now())
    advance(platform.clock, seconds=1)
    assert (await authenticator.authenticate(made.key, "41.90.1.1")).suspended
