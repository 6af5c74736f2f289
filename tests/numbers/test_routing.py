import httpx
import pytest

from factories import Platform
from sautikitd.identity.workspaces import Workspace
from sautikitd.numbers.models import NumberRecord
from sautikitd.numbers.repository import find_inbound, find_owned

WHOLE = {
    "voice_callback_url": "https://shop.example/voice",
    "voice_method": "GET",
    "callback_format": "twilio",
    "fallback_url": "https://shop.example/fallback",
    "status_callback_url": "https://shop.example/status",
    "events_url": "https://shop.example/events",
    "forward_to": "+254712345678",
    "record_calls": True,
    "label": "Shop",
}
DEFAULTS = {
    "voice_callback_url": None,
    "voice_method": "POST",
    "callback_format": "sautikit",
    "fallback_url": None,
    "status_callback_url": None,
    "events_url": None,
    "forward_to": None,
    "record_calls": False,
    "label": "",
}


@pytest.fixture
async def number(platform: Platform, duka: Workspace) -> NumberRecord:
    return await platform.number(duka.id)


@pytest.fixture
def path(number: NumberRecord) -> str:
    return f"/v1/numbers/{number.id}/routing"


def routing(answer: httpx.Response) -> dict[str, object]:
    return {name: answer.json()["number"][name] for name in DEFAULTS}


async def test_put_replaces(trial: httpx.AsyncClient, path: str) -> None:
    assert routing(await trial.put(path, json=WHOLE | {"forward_to": "0712 345 678"})) == WHOLE
    changed = await trial.put(path, json={"voice_url": "https://a.example", "events_url": None})
    assert routing(changed) == DEFAULTS | {"voice_callback_url": "https://a.example"}


async def test_patch_merges_and_null_clears(trial: httpx.AsyncClient, path: str) -> None:
    await trial.put(path, json=WHOLE)
    changed = await trial.patch(path, json={"label": "Till", "fallback_url": None})
    assert routing(changed) == WHOLE | {"label": "Till", "fallback_url": None}
    assert routing(await trial.patch(path, json={})) == routing(changed)


@pytest.mark.parametrize(
    ("wish", "status", "code"),
    [
        ({"forward_to": "999"}, 403, "calls.emergency_unsupported"),
        ({"forward_to": "tel:+254-112"}, 403, "calls.emergency_unsupported"),
        ({"forward_to": "+12025550123"}, 403, "calls.destination_forbidden"),
        ({"forward_to": "nobody"}, 422, "request.invalid"),
        ({"forward_to": "+254200000007"}, 422, "request.invalid"),
        ({"voice_method": "PUT", "callback_format": "plivo"}, 422, "request.invalid"),
        ({"voice_callback_url": "https://user:pw@shop.example"}, 422, "request.invalid"),
        ({"record_calls": "yes"}, 422, "request.invalid"),
        ({"voice_method": None}, 422, "request.invalid"),
    ],
)
async def test_bad_routing_is_refused(
    trial: httpx.AsyncClient, path: str, wish: dict[str, object], status: int, code: str
) -> None:
    for method in ("PUT", "PATCH"):
        refused = await trial.request(method, path, json=wish)
        assert (refused.status_code, refused.json()["error"]["code"]) == (status, code)
        if status == 422:
            fields = refused.json()["error"]["fields"]
            assert [problem["pointer"] for problem in fields] == [f"/{name}" for name in wish]


async def test_routing_is_audited(trial: httpx.AsyncClient, path: str, number: NumberRecord) -> None:
    await trial.patch(path, json={"label": "Till"})
    newest = (await trial.get("/v1/audit-log?limit=1")).json()["data"][0]
    assert (newest["action"], newest["target"]) == ("number.route", str(number.id))
    assert newest["detail"] == {"fields": ["label"]}


async def test_the_calls_room_finds_numbers(
    platform: Platform, duka: Workspace, number: NumberRecord
) -> None:
    other = await platform.workspace("Kiosk", "otieno@example.co.ke")
    theirs = await platform.number(other.id)
    await platform.inventory("+254205000001")
    await platform.top_up(duka.id, 50_000)
    live = await platform.number(duka.id, "+254205000001", "live")
    async with platform.database.connection() as connection:
        assert await find_owned(connection, duka.id, "test", number.e164) == number
        assert await find_owned(connection, duka.id, "live", number.e164) is None
        assert await find_inbound(connection, "live", "+254205000001") == live
        assert await find_inbound(connection, "test", number.e164, other.id) == theirs
        assert await find_inbound(connection, "test", number.e164) is None


async def test_an_events_url_set_anew_is_tried_again_at_once(
    platform: Platform, duka: Workspace, trial: httpx.AsyncClient, path: str
) -> None:
    url = "https://shop.example/events"
    async with platform.database.connection() as connection:
        await connection.execute(
            "INSERT INTO webhook_health (endpoint_id, workspace_id, mode, url, disabled_until) "
            "VALUES (url_endpoint_id($1, 'test', $2), $1, 'test', $2, now() + interval '1 day')",
            duka.id,
            url,
        )
    assert (await trial.patch(path, json={"events_url": url})).status_code == 200
    async with platform.database.connection() as connection:
        resting = await connection.fetchval(
            "SELECT count(*) FROM webhook_health WHERE disabled_until > now()"
        )
    assert resting == 0
