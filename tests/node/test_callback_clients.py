"""The secrets that callbacks are signed with outlast a database that is away, for as many workspaces as are remembered."""

from types import SimpleNamespace
from typing import Any, cast

import pytest

from factories import Platform
from sautikitd.database.pool import Database, DatabaseUnavailable
from sautikitd.identity.workspaces import Workspace
from sautikitd.node import callback_clients
from sautikitd.node.callback_clients import CallbackClients


def _call_of(workspace: Workspace) -> Any:
    return SimpleNamespace(workspace_id=workspace.id, mode="live")


async def test_while_the_database_is_away_the_secrets_last_read_sign_on(
    database: Database, database_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(callback_clients, "_MOST_REMEMBERED", 1)
    platform = await Platform.on(database)
    duka, kiosk = await platform.workspace(), await platform.workspace("Kiosk", "kiosk@example.co.ke")
    own = await Database.connect(database_url)
    nothing = cast("Any", None)
    clients = CallbackClients(own, nothing, platform.signing_secrets, nothing, platform.clock)
    await clients.secrets_of(_call_of(duka))
    read = await clients.secrets_of(_call_of(kiosk))
    await own.close()
    assert await clients.secrets_of(_call_of(kiosk)) == read
    with pytest.raises(DatabaseUnavailable):  # forgotten for the other's sake
        await clients.secrets_of(_call_of(duka))
