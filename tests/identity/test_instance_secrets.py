import asyncio
import os

import pytest

from sautikitd.database.pool import Database
from sautikitd.identity.instance import InstanceSecrets, WrongMasterKeys
from sautikitd.secretbox import SecretBox


async def load(database: Database, box: SecretBox) -> InstanceSecrets:
    async with database.connection() as connection:
        return await InstanceSecrets.load(connection, box)


async def test_they_are_made_once_and_stay(database: Database) -> None:
    box = SecretBox([os.urandom(32)])
    assert await load(database, box) == await load(database, box)


async def test_processes_that_start_together_agree(database: Database) -> None:
    box = SecretBox([os.urandom(32)])
    loaded = await asyncio.gather(*(load(database, box) for _ in range(8)))
    assert all(one == loaded[0] for one in loaded)


async def test_a_new_first_master_key_still_opens_them(database: Database) -> None:
    old = os.urandom(32)
    before = await load(database, SecretBox([old]))
    assert await load(database, SecretBox([os.urandom(32), old])) == before


async def test_a_database_of_other_master_keys_is_refused_and_left_alone(database: Database) -> None:
    box = SecretBox([os.urandom(32)])
    before = await load(database, box)
    async with database.connection() as connection:
        await connection.execute("DELETE FROM instance_secrets WHERE name = 'key_pepper'")
    with pytest.raises(WrongMasterKeys, match="SAUTIKIT_MASTER_KEYS"):
        await load(database, SecretBox([os.urandom(32)]))
    after = await load(database, box)
    assert after.session_id_key == before.session_id_key
    assert after.key_pepper != before.key_pepper


async def test_they_do_not_show_themselves(database: Database) -> None:
    secrets = await load(database, SecretBox([os.urandom(32)]))
    assert repr(secrets.key_pepper) not in repr(secrets)
