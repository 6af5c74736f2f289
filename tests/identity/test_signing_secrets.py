import base64

from factories import BOX, Platform, advance
from sautikitd.identity.signing_secrets import SigningSecrets
from sautikitd.identity.workspaces import Workspace


async def valid(platform: Platform, workspace: Workspace) -> list[str]:
    fresh = SigningSecrets(BOX, platform.clock)
    async with platform.database.connection() as connection:
        return list(await fresh.valid(connection, workspace.id, "live"))


async def rotate(platform: Platform, workspace: Workspace) -> str:
    async with platform.database.transaction() as connection:
        return await platform.signing_secrets.rotate(connection, workspace.id, "live", platform.clock.now())


async def test_a_secret_is_32_bytes_in_base64(platform: Platform, duka: Workspace) -> None:
    [secret] = await valid(platform, duka)
    assert len(base64.b64decode(secret.removeprefix("whsec_"), validate=True)) == 32


async def test_rotation_overlaps_for_a_day(platform: Platform, duka: Workspace) -> None:
    [first] = await valid(platform, duka)
    second = await rotate(platform, duka)
    advance(platform.clock, hours=1)
    third = await rotate(platform, duka)
    assert await valid(platform, duka) == [third, second, first]
    advance(platform.clock, hours=23)
    assert await valid(platform, duka) == [third, second]
    advance(platform.clock, hours=1)
    assert await valid(platform, duka) == [third]


async def test_another_process_learns_of_it_within_five_seconds(platform: Platform, duka: Workspace) -> None:
    elsewhere = SigningSecrets(BOX, platform.clock)
    async with platform.database.connection() as connection:
        await elsewhere.valid(connection, duka.id, "live")
        second = await rotate(platform, duka)
        advance(platform.clock, seconds=5)
        assert (await elsewhere.valid(connection, duka.id, "live"))[0] == second


async def test_modes_have_secrets_of_their_own_and_none_is_stored_in_clear(
    platform: Platform, duka: Workspace
) -> None:
    async with platform.database.connection() as connection:
        live = await platform.signing_secrets.valid(connection, duka.id, "live")
        test = await platform.signing_secrets.valid(connection, duka.id, "test")
        stored = await connection.fetch("SELECT secret_encrypted FROM signing_secrets")
    assert set(live).isdisjoint(test)
    assert not any(secret.encode() in row["secret_encrypted"] for row in stored for secret in (*live, *test))
