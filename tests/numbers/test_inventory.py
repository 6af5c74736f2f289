import httpx
import pytest

from factories import Platform
from sautikitd.numbers.inventory import ImportReport, LineProblem, import_inventory

HEADER = "e164,type,locality,monthly_price_minor"


async def bring(platform: Platform, *lines: str) -> ImportReport:
    async with platform.database.transaction() as connection:
        return await import_inventory(connection, lines)


async def test_numbers_are_added_then_updated(platform: Platform) -> None:
    lines = ["0205000001,local,Nairobi,10000", "+254712000001,mobile,,20000"]
    assert await bring(platform, HEADER, *lines) == ImportReport(added=2)
    assert await bring(platform, HEADER, *lines, "0800723456,toll_free,,30000") == ImportReport(
        added=1, updated=2
    )
    async with platform.database.connection() as connection:
        rows = await connection.fetch(
            "SELECT e164, type, area_code, locality, monthly_price_minor FROM inventory WHERE mode = 'live'"
            " ORDER BY e164"
        )
    assert [tuple(row) for row in rows] == [
        ("+254205000001", "local", "020", "Nairobi", 10_000),
        ("+254712000001", "mobile", "", "", 20_000),
        ("+254800723456", "toll_free", "", "", 30_000),
    ]


async def test_bad_lines_are_told_by_number_and_nothing_is_half_done(platform: Platform) -> None:
    report = await bring(
        platform,
        HEADER,
        "0205000001,local,Nairobi,10000",
        "O205000002,local,Nairobi,10000",
        "0205000003,mobile,Nairobi,10000",
        "0205000004,local,Nairobi,100.00",
        "0205000005,local,Nairobi",
        "+254 20 5000001,local,Nairobi,10000",
        "+256772123456,mobile,Kampala,10000",
        "0205000006,local,Nairobi,10000,extra",
    )
    assert [problem.line for problem in report.problems] == [3, 4, 5, 6, 7, 8, 9]
    assert "line 2" in report.problems[4].problem
    async with platform.database.connection() as connection:
        assert await connection.fetchval("SELECT count(*) FROM inventory WHERE mode = 'live'") == 0


async def test_a_file_with_other_columns_is_refused(platform: Platform) -> None:
    report = await bring(platform, "number,price", "0205000001,1")
    assert report.problems == [LineProblem(1, f"the columns must be {HEADER}")]
    assert (await bring(platform)).problems[0].line == 1


async def test_columns_may_come_in_any_order_and_behind_a_byte_order_mark(platform: Platform) -> None:
    report = await bring(
        platform, "\ufefftype,e164,monthly_price_minor,locality", "local,0205000001,0,Nairobi"
    )
    assert report == ImportReport(added=1)


@pytest.mark.parametrize(
    ("query", "found"),
    [
        ("", 20),
        ("country=KE&type=local&area_code=020&capability=voice", 20),
        ("type=mobile", 0),
        ("area_code=041", 0),
        ("contains=0001", 11),
        ("contains=0200*17", 1),
        ("contains=254*020", 1),
        ("contains=9999", 0),
    ],
)
async def test_available_numbers_are_filtered(trial: httpx.AsyncClient, query: str, found: int) -> None:
    assert len((await trial.get(f"/v1/numbers/available?{query}")).json()["data"]) == found


@pytest.mark.parametrize(
    "query",
    [
        "country=UG",
        "type=satellite",
        "area_code=20",
        "contains=%25",
        "capability=fax",
        "limit=0",
        "limit=101",
    ],
)
async def test_bad_filters_are_told(trial: httpx.AsyncClient, query: str) -> None:
    refused = await trial.get(f"/v1/numbers/available?{query}")
    fields = [problem["pointer"] for problem in refused.json()["error"]["fields"]]
    assert (refused.status_code, fields) == (422, [f"?{query.partition('=')[0]}"])


async def test_only_claimable_numbers_of_the_keys_mode_are_listed(
    trial: httpx.AsyncClient, live: httpx.AsyncClient
) -> None:
    await trial.post("/v1/numbers/claim", json={"e164": "+254200000001"})
    await live.post("/v1/numbers/claim", json={"e164": "+254205000001"})
    tests = (await trial.get("/v1/numbers/available")).json()["data"]
    lives = (await live.get("/v1/numbers/available")).json()["data"]
    assert len(tests) == 19
    assert [number["e164"] for number in lives] == ["+254205000003", "+254205000002"]


async def test_pages_follow_each_other_and_hold_still_while_numbers_arrive(
    live: httpx.AsyncClient, platform: Platform
) -> None:
    first = (await live.get("/v1/numbers/available?limit=2")).json()
    await platform.inventory("+254205000009")
    second = (
        await live.get("/v1/numbers/available", params={"limit": 2, "cursor": first["next_cursor"]})
    ).json()
    seen = [number["e164"] for number in first["data"] + second["data"]]
    assert seen == ["+254205000003", "+254205000002", "+254205000001"]
    assert second["next_cursor"] is None
