"""What was spent where, of calls that were really placed, dialled and settled."""

from collections.abc import AsyncIterator

import httpx
import pytest

from calls.scenery import NUMBER, Scene
from factories import advance, client
from sautikitd.database.pool import Database
from sautikitd.spending.routes import SpendingRoutes
from sautikitd.wallet.tariff_files import COLUMNS, import_tariffs

SAFARICOM, AIRTEL, NAIROBI, KAMPALA = "+254722000001", "+254733000001", "+254202000001", "+256772000001"
TARIFF = [
    "outbound,254722,Kenya mobile: Safaricom,250,,",
    "outbound,2547,Kenya mobile: others,320,,",
    "outbound,25420,Kenya fixed: Nairobi,200,,",
    "outbound,256,Uganda,1500,,",
]


@pytest.fixture
async def scene(database: Database) -> Scene:
    scene = await Scene.on(database)
    await scene.limit(
        calls_per_second=1000.0,
        tokens=100.0,
        max_concurrent_calls=100,
        destination_prefixes=["254", "256"],
    )
    await price(scene, *TARIFF)
    return scene


@pytest.fixture
async def api(scene: Scene) -> AsyncIterator[httpx.AsyncClient]:
    made = await scene.platform.key(scene.workspace.id)
    async with client(scene.platform.application(SpendingRoutes()), made.key) as api:
        yield api


async def price(scene: Scene, *lines: str) -> None:
    async with scene.platform.database.transaction() as connection:
        report = await import_tariffs(connection, [",".join(COLUMNS), *lines], None, scene.now)
    assert report.problems == []


async def talk(scene: Scene, *to: str, seconds: int) -> None:
    """A call to each, all of them answered and ended after `seconds`."""
    for number in to:
        await scene.place(number)
    while claimed := await scene.claim():
        for call in claimed.legs:
            await scene.answer(call.id)
            await scene.end(call.id, after_s=seconds)


async def by_destination(api: httpx.AsyncClient) -> dict[tuple[str, str], tuple[int, int]]:
    rows = (await api.get("/v1/wallet/spend?by=destination")).json()["data"]
    return {(row["key"], row["destination"]): (row["calls"], row["total_minor"]) for row in rows}


async def test_calls_are_told_apart_as_finely_as_the_tariff_does(
    scene: Scene, api: httpx.AsyncClient
) -> None:
    await talk(scene, SAFARICOM, SAFARICOM, AIRTEL, NAIROBI, KAMPALA, seconds=60)
    assert await by_destination(api) == {
        ("256", "Uganda"): (1, 1500),
        ("254722", "Kenya mobile: Safaricom"): (2, 500),
        ("2547", "Kenya mobile: others"): (1, 320),
        ("25420", "Kenya fixed: Nairobi"): (1, 200),
        ("rental", "Number rentals"): (0, 3094),
    }


async def test_a_call_keeps_the_destination_it_was_placed_to_when_the_tariff_changes(
    scene: Scene, api: httpx.AsyncClient
) -> None:
    await scene.place(SAFARICOM)
    advance(scene.platform.clock, days=1)
    await price(scene, "outbound,254722,Safaricom,900,,")
    await talk(scene, SAFARICOM, seconds=30)
    found = await by_destination(api)
    assert found["254722", "Kenya mobile: Safaricom"] == (1, 125)
    assert found["254722", "Safaricom"] == (1, 450)


async def test_the_legs_of_one_call_are_each_at_their_own_destination(
    scene: Scene, api: httpx.AsyncClient
) -> None:
    await scene.place([SAFARICOM, KAMPALA])
    claimed = await scene.claim()
    assert claimed
    leg = next(leg for leg in claimed.legs if leg.remote_e164 == KAMPALA)
    await scene.answer(leg.id)
    await scene.end(leg.id, after_s=1)
    found = await by_destination(api)
    assert found["256", "Uganda"] == (1, 25)
    assert ("254722", "Kenya mobile: Safaricom") not in found


async def test_by_number_and_by_day_no_destination_is_named(scene: Scene, api: httpx.AsyncClient) -> None:
    await talk(scene, SAFARICOM, seconds=60)
    (number,) = (await api.get("/v1/wallet/spend?by=number")).json()["data"]
    assert (number["key"], number["destination"]) == (NUMBER, None)
    assert (number["calls_minor"], number["rentals_minor"]) == (250, 3094)
