"""What recording an event writes, and to whom it goes."""

import msgspec
import pytest

from sautikitd.clock import ManualClock
from sautikitd.database.pool import Database
from sautikitd.events.kinds import UnknownEventKind
from sautikitd.events.log import EventLog
from sautikitd.events.models import Endpoint
from sautikitd.ids import uuid7
from webhooks.workspace import Workspace

ONE = "https://one.example/hook"
TWO = "https://two.example/hook"


@pytest.fixture
async def workspace(database: Database) -> Workspace:
    workspace = Workspace(database, ManualClock())
    await workspace.create()
    return workspace


async def receivers(workspace: Workspace) -> list[str]:
    return sorted(row["url"] for row in await workspace.deliveries("id, url"))


async def test_an_event_goes_to_subscriptions_of_its_name_and_of_all_names(workspace: Workspace) -> None:
    await workspace.subscribe(ONE, "wallet.top_up", "number.released")
    await workspace.subscribe(TWO, "*")
    await workspace.subscribe("https://three.example", "call.started")
    await workspace.emit("wallet.top_up")
    assert await receivers(workspace) == [ONE, TWO]


async def test_a_number_filter_lets_only_events_of_those_numbers_through(workspace: Workspace) -> None:
    number, other = uuid7(), uuid7()
    await workspace.subscribe(ONE, number_ids=[number])
    await workspace.emit("call.started", number_id=other)
    await workspace.emit("wallet.top_up")
    assert await receivers(workspace) == []
    await workspace.emit("call.started", number_id=number)
    assert await receivers(workspace) == [ONE]


async def test_live_events_do_not_reach_test_subscriptions(workspace: Workspace) -> None:
    await workspace.subscribe(ONE, mode="live")
    await workspace.emit()
    assert await receivers(workspace) == []


async def test_identical_urls_get_one_delivery_with_the_most_specific_secret(workspace: Workspace) -> None:
    number = uuid7()
    await workspace.subscribe(ONE, "*")
    await workspace.subscribe(ONE, "call.started")
    narrow, _ = await workspace.subscribe(ONE, "*", number_ids=[number])
    await workspace.emit("call.started", ONE, TWO, TWO, number_id=number)
    rows = {row["url"]: row for row in await workspace.deliveries()}
    assert len(rows) == len(await workspace.deliveries()) == 2
    assert rows[ONE]["webhook_id"] == rows[ONE]["endpoint_id"] == narrow
    assert rows[TWO]["webhook_id"] is None


async def test_steps_of_a_flow_are_kept_and_not_delivered(workspace: Workspace) -> None:
    await workspace.subscribe(ONE)
    event = await workspace.emit("flow.say", TWO)
    assert await receivers(workspace) == []
    async with workspace.database.connection() as connection:
        assert await connection.fetchval("SELECT kind FROM events WHERE id = $1", event.id) == "flow.say"


async def test_an_unknown_kind_is_refused(workspace: Workspace) -> None:
    with pytest.raises(UnknownEventKind):
        await workspace.emit("call.startet")


async def test_many_events_are_written_at_once_each_to_its_own_urls(workspace: Workspace) -> None:
    call = uuid7()
    first = workspace.event("call.started", call_id=call, sequence=1)
    second = workspace.event("call.completed", call_id=call, sequence=2)
    async with workspace.database.transaction() as connection:
        endpoints = [Endpoint(url=ONE)]
        await EventLog().record_many(
            connection, [(first, endpoints), (second, [*endpoints, Endpoint(url=TWO)])]
        )
    rows = await workspace.deliveries()
    assert [
        (row["sequence"], row["url"]) for row in sorted(rows, key=lambda r: (r["sequence"], r["url"]))
    ] == [
        (1, ONE),
        (2, ONE),
        (2, TWO),
    ]
    assert len({row["endpoint_id"] for row in rows}) == 2


async def test_a_body_too_large_loses_its_longest_list_and_says_so(workspace: Workspace) -> None:
    legs = [{"seconds": n, "arithmetic": "x" * 100} for n in range(300)]
    data: dict[str, object] = {
        "call": {"id": "1", "cost_breakdown": legs, "events": [1], "metadata": {"kept": "m" * 16_000}},
        "client_request_id": "c" * 5_000,
    }
    event = await workspace.emit("call.completed", data=data)
    async with workspace.database.connection() as connection:
        kept = await connection.fetchval("SELECT data FROM events WHERE id = $1", event.id)
    assert kept["call"]["cost_breakdown"] == []
    assert kept["truncated"] == ["/call/cost_breakdown"]
    assert kept["call"]["events"] == [1]
    assert kept["client_request_id"] == data["client_request_id"]
    assert len(msgspec.json.encode(kept)) > 20 * 1024
