"""Whatever is wrong with a request is told in one answer: shape, formats, rules, what the database knows (contract §12)."""

import base64
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import pytest

from sautikitd.api import endpoints, open_api
from sautikitd.app import open_platform
from sautikitd.database.pool import Database
from sautikitd.identity.audit import OPERATOR
from sautikitd.identity.keys.models import NewKey
from sautikitd.settings import from_environment

ID = "01939f3e-7c1a-7b52-9d6a-3f0c2f6f1a11"
ELSEWHERE = "01939f3e-7c1a-7b52-9d6a-3f0c2f6f1a12"
PRIVATE = "http://10.0.0.7/hook"
OURS = "+254200000001"  # a number of this platform, which calls are not forwarded to
ROUTING = {
    "voice_callback_url": PRIVATE,
    "fallback_url": "ftp://example.co.ke",
    "events_url": 7,
    "forward_to": OURS,
    "callback_format": "plivo",
    "lable": "x",
}
ROUTING_FAULTS = {
    *("/voice_callback_url", "/fallback_url", "/events_url"),
    *("/forward_to", "/callback_format", "/lable"),
}
CALL = {
    "from": "letters",
    "to": ["+254712345678", "12", 5],
    "webhook_url": PRIVATE,
    "voice_callback_url": "example.co.ke/voice",
    "caller_id": "",
    "timeout_seconds": 4,
    "send_digits": "1 2",
    "metadata": [],
    "actions": [{"say": {}}, {"shout": {}}, {"getDigits": {"nested": [{"play": {"url": PRIVATE}}]}}],
    "hold_audio_url": "https://example.co.ke/a.mp3",
    "opening_actions": "none",
    "webhok_url": "https://example.co.ke",
}
CALL_FAULTS = {
    *("/from", "/to/1", "/to/2", "/webhook_url", "/voice_callback_url", "/caller_id", "/timeout_seconds"),
    *(
        "/send_digits",
        "/metadata",
        "/actions/0/say/text",
        "/actions/1/shout",
        "/actions/2/getDigits/nested/0/play/url",
        "/hold_audio_url",
    ),
    *("/opening_actions", "/webhok_url"),
}
# Of every route with a body: one with faults of several kinds, and where they are.
CASES: dict[str, tuple[dict[str, Any], set[str]]] = {
    "POST /v1/calls": (CALL, CALL_FAULTS),
    "POST /v1/calls/originate": (CALL, CALL_FAULTS),
    "PATCH /v1/calls/{call_id}": (
        {"actions": [{"say": {}}], "voice_callback_url": PRIVATE, "action": 1},
        {"/actions/0/say/text", "/voice_callback_url", "/action"},
    ),
    "POST /v1/calls/{call_id}/control/respond": (
        {"actions": [{"sya": {}}], "turn": 0},
        {"/actions/0/sya", "/turn"},
    ),
    "POST /v1/calls/{call_id}/dtmf": ({"digits": "x", "digit": "1"}, {"/digits", "/digit"}),
    "POST /v1/calls/{call_id}/recordings": ({"channels": "both", "channel": 1}, {"/channels", "/channel"}),
    "POST /v1/calls/{call_id}/supervision": (
        {"mode": "spy", "supervisor": {"type": "phone", "number": "12", "label": 5}, "announce": 1},
        {"/mode", "/supervisor/number", "/supervisor/label", "/announce"},
    ),
    "PATCH /v1/calls/{call_id}/supervision": ({"mode": "spy", "mod": 1}, {"/mode", "/mod"}),
    "POST /v1/test/calls": (
        {"to": "12", "from": "letters", "script": [{"wait": 1, "press": "1"}, {"wait": -1}, {}]},
        {"/to", "/from", "/script/0", "/script/1/wait", "/script/2"},
    ),
    "POST /v1/numbers/claim": (
        {"e164": "12", "area_code": "20", "events_url": PRIVATE, "label": "\u0007", "voice_url": 1},
        {"/e164", "/area_code", "/events_url", "/label", "/voice_url"},
    ),
    "PATCH /v1/numbers/{number_id}/routing": (ROUTING, ROUTING_FAULTS),
    "PUT /v1/numbers/{number_id}/routing": (ROUTING, ROUTING_FAULTS),
    "POST /v1/numbers/{number_id}/sip-credentials": ({"label": "\n", "lable": ""}, {"/label", "/lable"}),
    "POST /v1/webrtc/token": (
        {"identity": "no spaces", "ttl_seconds": 1},
        {"/identity", "/ttl_seconds", "/number_id"},
    ),
    "POST /v1/sip/token": (
        {"identity": "-", "ttl_seconds": "x"},
        {"/identity", "/ttl_seconds", "/number_id"},
    ),
    "POST /v1/voice/validate": ({"xml": 1, "dialect": "bxml", "action": []}, {"/xml", "/dialect", "/action"}),
    "POST /v1/api-keys": (
        {
            "name": " ",
            "scopes": ["calls.raed", 1],
            "expires_at": "2001-01-01T00:00:00Z",
            "number_ids": [ID, "x"],
            "source_cidrs": ["nowhere", 8],
        },
        {
            *("/name", "/scopes/0", "/scopes/1", "/expires_at"),
            *("/number_ids/1", "/source_cidrs/0", "/source_cidrs/1"),
        },
    ),
    "POST /v1/api-keys/{key_id}/roll": (
        {"overlap_seconds": -1, "overlap": 1},
        {"/overlap_seconds", "/overlap"},
    ),
    "PUT /v1/wallet/auto-topup": (
        {"phone_e164": "+254202345678", "amount_minor": 150, "below_minor": 0},
        {"/phone_e164", "/amount_minor", "/below_minor"},
    ),
    "POST /v1/topups": (
        {"phone_e164": "12", "amount_minor": 99, "currency": "USD", "provider": "card"},
        {"/phone_e164", "/amount_minor", "/currency", "/provider"},
    ),
    "POST /v1/conferences/{conference}/participants/{call_id}/hold": (
        {"url": PRIVATE, "loop": 1},
        {"/url", "/loop"},
    ),
    "POST /v1/conferences/{conference}/announce": (
        {"text": "", "loop": 0, "language": 1},
        {"/text", "/loop", "/language"},
    ),
    "POST /v1/conferences/{conference}/play": ({"url": PRIVATE, "loop": 0}, {"/url", "/loop"}),
    "POST /v1/test/clock": ({"advance_seconds": 0, "to": "soon"}, {"/advance_seconds", "/to"}),
    "POST /v1/wallet/alert/subscribers": ({"email": "nobody", "mail": ""}, {"/email", "/mail"}),
    "PATCH /v1/wallet/limits": (
        {"of": "me", "daily_minor": -1, "destination_prefixes": ["254", "x", 1]},
        {"/of", "/daily_minor", "/destination_prefixes/1", "/destination_prefixes/2"},
    ),
    "PATCH /v1/wallet/threshold": ({"threshold_minor": -1, "treshold": 1}, {"/threshold_minor", "/treshold"}),
    "POST /v1/webhooks": (
        {"url": PRIVATE, "events": ["*", "call.complete", 1], "number_ids": [ID], "enabled": "yes"},
        {"/url", "/events/1", "/events/2", "/number_ids/0", "/enabled"},
    ),
    "PATCH /v1/webhooks/{webhook_id}": (
        {"url": "https://", "events": [], "number_ids": [ID, ELSEWHERE], "description": 1},
        {"/url", "/events", "/number_ids/0", "/number_ids/1", "/description"},
    ),
    "POST /v1/webhooks/{webhook_id}/replay": (
        {"from": "2001-01-01T00:00:00Z", "to": "2000-01-01T00:00:00Z", "only_failed": True, "limit": 1},
        {"/from", "/to", "/limit"},
    ),
}


@dataclass(frozen=True)
class Office:
    client: httpx.AsyncClient
    database: Database
    with_bodies: set[str]

    async def refusal(self, route: str, body: dict[str, Any]) -> tuple[int, str, dict[str, str]]:
        """Status, code, and what is said at each place."""
        method, path = route.split()
        answer = await self.client.request(method, _filled(path), json=body)
        error = answer.json()["error"]
        fields = {one["pointer"]: one["problem"] for one in error.get("fields", ())}
        assert len(fields) == len(error.get("fields", ())), "no place is named twice"
        return answer.status_code, error["code"], fields

    async def contents(self) -> dict[str, int]:
        """How many rows each table has."""
        async with self.database.connection() as connection:
            tables = await connection.fetch(
                "SELECT quote_ident(relname) AS name FROM pg_stat_user_tables WHERE schemaname = 'public'"
            )
            return {
                row["name"]: await connection.fetchval(f"SELECT count(*) FROM {row['name']}")
                for row in tables
            }


@pytest.fixture
async def office(tmp_path: Path, database_url: str) -> AsyncIterator[Office]:
    (tmp_path / "master.keys").write_bytes(base64.b64encode(bytes(range(32))))  # as in `factories`
    settings = from_environment({"SAUTIKIT_DATA_DIR": str(tmp_path), "SAUTIKIT_RATE_LIMIT": "10000/10000"})
    async with (
        open_platform(settings, "bad fields", url=database_url, connections=4) as platform,
        open_api(platform) as app,
    ):
        now = platform.clock.now()
        async with platform.database.transaction() as connection:
            duka = await platform.workspaces.create(
                connection, "Duka", "wanjiru@example.co.ke", OPERATOR, now
            )
            new = NewKey(workspace_id=duka.id, mode="test", name="all", scopes=frozenset("*"))
            made = await platform.api_keys.create(connection, new, OPERATOR, now)
        declared = endpoints(platform, lambda workspace_id: None)
        async with httpx.AsyncClient(
            transport=httpx.ASGITransport(app=app),
            base_url="http://api.test",
            headers={"Authorization": f"Bearer {made.key}"},
        ) as client:
            bodies = {f"{one.method} {one.path}" for one in declared if one.body}
            yield Office(client, platform.database, bodies)


async def test_of_every_route_with_a_body_every_bad_field_is_named_at_once_and_nothing_changes(
    office: Office,
) -> None:
    before = await office.contents()
    for route, (body, places) in CASES.items():
        status, code, fields = await office.refusal(route, body)
        assert (route, status, code) == (route, 422, "request.invalid")
        assert (route, set(fields)) == (route, places)
        assert all(fields.values())
    assert await office.contents() == before


async def test_no_route_with_a_body_is_left_out(office: Office) -> None:
    assert office.with_bodies == set(CASES)


async def test_a_mistyped_name_is_told_the_nearest_one(office: Office) -> None:
    _, _, fields = await office.refusal("POST /v1/calls", CALL)
    assert fields["/webhok_url"] == "unknown field; did you mean `webhook_url`?"
    _, _, fields = await office.refusal("POST /v1/webhooks", CASES["POST /v1/webhooks"][0])
    assert "did you mean `call.completed`?" in fields["/events/1"]
    _, _, fields = await office.refusal("POST /v1/api-keys", CASES["POST /v1/api-keys"][0])
    assert "did you mean `calls.read`?" in fields["/scopes/0"]


async def test_one_kind_of_fault_is_told_with_its_own_code(office: Office) -> None:
    body = {"url": "https://example.co.ke", "events": ["call.complete", "number.assigned"]}
    status, code, fields = await office.refusal("POST /v1/webhooks", body)
    assert (status, code) == (422, "webhooks.event_unsupported")
    assert set(fields) == {"/events/0", "/events/1"}


@pytest.mark.parametrize(
    ("route", "body", "places"),
    [
        (
            "POST /v1/calls",
            {"from": OURS, "to": "+254 999", "timeout_seconds": 1},
            {"/to", "/timeout_seconds"},
        ),
        ("POST /v1/calls", {"from": OURS, "to": ["0712345678", "tel:112"]}, {"/to/1"}),
        ("PUT /v1/numbers/{number_id}/routing", {"forward_to": "911"}, {"/forward_to"}),
        (
            "POST /v1/calls/{call_id}/supervision",
            {"mode": "listen", "supervisor": {"type": "phone", "number": "999"}},
            {"/supervisor/number"},
        ),
    ],
)
async def test_an_emergency_number_is_refused_as_one_whatever_else_is_wrong(
    office: Office, route: str, body: dict[str, Any], places: set[str]
) -> None:
    status, code, fields = await office.refusal(route, body)
    assert (status, code, set(fields)) == (403, "calls.emergency_unsupported", places)


async def test_every_bad_parameter_of_a_query_is_named_with_a_cursor_that_is_none(office: Office) -> None:
    answer = await office.client.get(
        "/v1/calls?limit=0&cursor=x&status=lost&colour=red&q=1&q=2&from=soon&number_id=+254"
    )
    error = answer.json()["error"]
    assert (answer.status_code, error["code"]) == (422, "request.invalid")
    assert {one["pointer"] for one in error["fields"]} == {
        *("?limit", "?cursor", "?status", "?colour", "?q", "?from", "?number_id"),
    }
    alone = await office.client.get("/v1/calls?cursor=x")
    assert alone.json()["error"]["code"] == "request.invalid_cursor"


def _filled(path: str) -> str:
    return "/".join(ID if step.startswith("{") else step for step in path.split("/"))
