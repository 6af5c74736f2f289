from pathlib import Path

import msgspec
import pytest

from calls.scenery import CALLEE, NUMBER, Scene
from factories import client
from sautikitd.calls.control import HangUp
from sautikitd.calls.errors import QueueFull
from sautikitd.calls.requests import PlaceCall
from sautikitd.calls.routes import CallRoutes
from sautikitd.database.wake import Waker
from sautikitd.ids import uuid7
from sautikitd.numbering.errors import DestinationForbidden, EmergencyUnsupported
from sautikitd.numbers.errors import NumberInactive, NumberNotFound
from sautikitd.wallet.errors import InsufficientFunds


async def test_a_placed_call_is_queued_with_its_rate_frozen(scene: Scene) -> None:
    call = await scene.place(client_request_id="order 1", metadata={"order": 1})
    assert (call.status, call.direction, call.rate_per_minute_minor) == ("queued", "outbound", 300)
    assert (call.from_address, call.to_address, call.client_request_id) == (NUMBER, CALLEE, "order 1")
    assert await scene.events(call.id) == []


@pytest.mark.parametrize("emergency", ["999", "112", "+254999", "911"])
async def test_emergency_numbers_are_refused_before_anything_else(scene: Scene, emergency: str) -> None:
    with pytest.raises(EmergencyUnsupported):
        await scene.place(to=emergency)


async def test_a_country_that_is_not_open_is_forbidden(scene: Scene) -> None:
    with pytest.raises(DestinationForbidden):
        await scene.place(to="+14155552671")


async def test_of_several_destinations_all_that_are_closed_are_named(scene: Scene) -> None:
    wish = PlaceCall(from_=NUMBER, to=["+14155552671", CALLEE, "+442079460958"])
    async with scene.platform.database.transaction() as connection:
        with pytest.raises(DestinationForbidden) as refused:
            await scene.placing.place(connection, scene.principal, wish)
    assert [field.pointer for field in refused.value.fields] == ["/to/0", "/to/2"]
    assert "+14155552671 (a number in US), +442079460958 (a number in GB)" in refused.value.text


async def test_a_number_of_somebody_else_is_not_found(scene: Scene) -> None:
    wish = PlaceCall(from_="+254200000002", to=CALLEE)
    async with scene.platform.database.transaction() as connection:
        with pytest.raises(NumberNotFound):
            await scene.placing.place(connection, scene.principal, wish)


async def test_a_suspended_number_cannot_call(scene: Scene) -> None:
    async with scene.platform.database.connection() as connection:
        await connection.execute("UPDATE numbers SET status = 'suspended', past_due_since = claimed_at")
    with pytest.raises(NumberInactive):
        await scene.place()


async def test_without_money_for_a_minute_nothing_is_placed(scene: Scene) -> None:
    async with scene.platform.database.transaction() as connection:
        from sautikitd.wallet.models import Account, Cause, EntryType

        account = Account(scene.workspace.id, "test")
        balance = (await scene.platform.wallets.balance(connection, account)).balance_minor
        cause = Cause(EntryType.ADJUSTMENT, "all but KES 2.99")
        await scene.platform.wallets.adjust(connection, account, cause, 299 - balance, "spent")
    with pytest.raises(InsufficientFunds):
        await scene.place()
    assert (await scene.place(max_duration_seconds=59)).status == "queued"


async def test_a_full_queue_refuses_more(scene: Scene) -> None:
    await scene.limit(max_queued_calls=2)
    await scene.place()
    await scene.place()
    with pytest.raises(QueueFull):
        await scene.place()


async def test_several_targets_are_one_call_with_a_leg_each(scene: Scene, tmp_path: Path) -> None:
    parent = await scene.place(to=[CALLEE, "+254733000001"])
    async with scene.platform.database.connection() as connection:
        whole = await scene.finding(tmp_path).whole(connection, parent)
    assert (parent.target_count, parent.rate_per_minute_minor, len(whole.legs)) == (2, 0, 2)


async def test_a_key_limited_to_other_numbers_does_not_see_this_one(scene: Scene) -> None:
    scene.principal = msgspec.structs.replace(scene.principal, number_ids=frozenset())
    with pytest.raises(NumberNotFound) as refused:
        await scene.place()
    assert [one.pointer for one in refused.value.fields] == ["/from"]


async def test_a_caller_id_that_is_not_ones_own_is_named(scene: Scene) -> None:
    with pytest.raises(NumberNotFound) as refused:
        await scene.place(caller_id="+254709000999")
    assert [one.pointer for one in refused.value.fields] == ["/caller_id"]


async def test_the_api_places_reads_lists_exports_and_hangs_up(scene: Scene, tmp_path: Path) -> None:
    platform = scene.platform
    waker = Waker(platform.database)
    routes = CallRoutes(
        scene.placing, scene.finding(tmp_path), HangUp(scene.lifecycle), platform.database, waker
    )
    key = (await platform.key(scene.workspace.id)).key
    async with client(platform.application(routes), key) as api:
        placed = await api.post("/v1/calls", json={"from": NUMBER, "to": [CALLEE], "client_request_id": "a"})
        assert placed.status_code == 201
        call_id = placed.json()["call_id"]
        assert placed.headers["location"] == f"/v1/calls/{call_id}"
        by_session = await api.get(f"/v1/calls/{placed.json()['session_id']}")
        assert by_session.json()["call"]["id"] == call_id
        assert by_session.json()["call"]["queue_position"] == 1
        listed = await api.get("/v1/calls", params={"status": "queued", "q": "71234"})
        assert [call["id"] for call in listed.json()["data"]] == [call_id]
        exported = await api.get("/v1/calls", params={"format": "csv"})
        assert exported.headers["content-type"].startswith("text/csv")
        assert call_id in exported.text
        hung_up = await api.post(f"/v1/calls/{call_id}/hangup")
        assert hung_up.json() == {"call_id": call_id, "status": "hung_up"}
        assert (await api.post(f"/v1/calls/{call_id}/hangup")).status_code == 200
        ended = (await api.get(f"/v1/calls/{call_id}")).json()["call"]
        assert (ended["status"], [event["kind"] for event in ended["events"]]) == (
            "canceled",
            ["call.failed"],
        )
        assert (await api.get("/v1/calls/HD_000000000000")).json()["error"]["code"] == "calls.not_found"
        stats = (await api.get("/v1/calls/stats", params={"since": "today", "bucket": "hour"})).json()
        assert (stats["total"], stats["failed"]) == (1, 1)
        other = (await platform.key(scene.workspace.id, number_ids=frozenset({uuid7()}))).key
        narrow = {"Authorization": f"Bearer {other}"}
        theirs = (await api.get("/v1/calls/stats?since=today&bucket=day", headers=narrow)).json()
        assert (theirs["total"], [point["total"] for point in theirs["series"]]) == (0, [0])
        assert sum(point["missed"] for point in stats["series"]) == 1
        for bad in ({"to": CALLEE}, {"from": NUMBER, "to": 5}, {"from": NUMBER, "to": CALLEE, "frm": 1}):
            assert (await api.post("/v1/calls", json=bad)).status_code == 422
    async with (
        platform.database.connection() as connection
    ):  # calls go by the real clock, wherever that of test mode is
        await connection.execute("INSERT INTO test_clocks VALUES ($1, 86400 * 90)", scene.workspace.id)
    async with client(platform.application(routes), key) as api:
        assert (await api.get("/v1/calls/stats?since=today")).json()["total"] == 1
    await waker.close()


async def test_suspension_empties_the_queue(scene: Scene) -> None:
    call = await scene.place()
    async with scene.platform.database.transaction() as connection:
        assert await scene.hang_up.end_all_of(connection, scene.workspace.id, scene.now) == 1
    ended = await scene.call(call.id)
    assert (ended.status, ended.failure_code) == ("failed", "account.suspended")


async def test_placing_calls_is_not_refused_for_rate(scene: Scene, tmp_path: Path) -> None:
    platform = scene.platform
    waker = Waker(platform.database)
    routes = CallRoutes(
        scene.placing, scene.finding(tmp_path), HangUp(scene.lifecycle), platform.database, waker
    )
    key = (await platform.key(scene.workspace.id)).key
    async with client(platform.application(routes, limit=1), key) as api:
        placed = [await api.post("/v1/calls", json={"from": NUMBER, "to": CALLEE}) for _ in range(4)]
        assert {answer.status_code for answer in placed} == {201}
        assert (await api.get("/v1/calls")).status_code == 429
    await waker.close()
