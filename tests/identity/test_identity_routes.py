import csv
import json
from collections.abc import AsyncIterator
from datetime import timedelta

import httpx
import pytest

from factories import Platform, advance, client
from sautikitd.identity.keys.format import mode_of
from sautikitd.identity.workspaces import Workspace
from sautikitd.timestamps import rfc3339

NUMBER = "019ab2c0-0000-7000-8000-000000000001"  # nobody's


@pytest.fixture
async def api(platform: Platform, duka: Workspace) -> AsyncIterator[httpx.AsyncClient]:
    made = await platform.key(duka.id)
    async with client(platform.application(), made.key) as api:
        yield api


def bearer(key: str) -> dict[str, str]:
    return {"Authorization": f"Bearer {key}"}


async def test_a_key_learns_what_it_is(api: httpx.AsyncClient, duka: Workspace) -> None:
    me = (await api.get("/v1/me")).json()
    assert me["workspace"]["id"] == str(duka.id)
    assert (me["mode"], me["scopes"], me["role"]) == ("test", ["*"], "owner")
    assert me["api_key"]["name"] == "a test's key"


async def test_a_made_key_is_shown_once_and_works(api: httpx.AsyncClient) -> None:
    wish = {"name": "shop", "scopes": ["numbers.claim", "calls.read"], "source_cidrs": ["127.0.0.1"]}
    made = await api.post("/v1/api-keys", json=wish)
    body = made.json()
    assert made.status_code == 201
    assert made.headers["location"] == f"/v1/api-keys/{body['api_key']['id']}"
    assert made.headers["cache-control"] == "no-store"
    assert mode_of(body["key"]) == "test"
    assert body["api_key"]["scopes"] == ["calls.read", "numbers.write"]
    assert body["api_key"]["source_cidrs"] == ["127.0.0.1/32"]
    assert body["key"] not in (await api.get("/v1/api-keys")).text
    me = await api.get("/v1/me", headers=bearer(body["key"]))
    assert me.json()["api_key"]["id"] == body["api_key"]["id"]


async def test_every_bad_field_of_a_key_is_told(api: httpx.AsyncClient) -> None:
    wish = {"name": " ", "scopes": ["calls.read", "everything"], "source_cidrs": ["300.1.1.1"]}
    refused = await api.post("/v1/api-keys", json=wish)
    pointers = [problem["pointer"] for problem in refused.json()["error"]["fields"]]
    assert (refused.status_code, pointers) == (422, ["/name", "/scopes/1", "/source_cidrs/0"])
    late = await api.post(
        "/v1/api-keys", json={"name": "x", "scopes": ["*"], "expires_at": "2020-01-01T00:00:00Z"}
    )
    assert [problem["pointer"] for problem in late.json()["error"]["fields"]] == ["/expires_at"]
    strange = await api.post("/v1/api-keys", json={"name": "x", "scopes": ["*"], "number_ids": [NUMBER]})
    assert [problem["pointer"] for problem in strange.json()["error"]["fields"]] == ["/number_ids/0"]


@pytest.mark.parametrize(
    ("limits", "wish"),
    [
        ({"number_ids": [NUMBER]}, {}),
        ({"source_cidrs": ["127.0.0.0/8"]}, {}),
        ({"source_cidrs": ["127.0.0.0/8"]}, {"source_cidrs": ["127.0.0.1/32", "10.0.0.0/8"]}),
        ({"expires_at": "2027-01-01T00:00:00Z"}, {}),
        ({"expires_at": "2027-01-01T00:00:00Z"}, {"expires_at": "2027-01-01T00:00:01Z"}),
    ],
)
async def test_a_key_makes_none_beyond_its_own_rights(
    api: httpx.AsyncClient,
    platform: Platform,
    duka: Workspace,
    limits: dict[str, object],
    wish: dict[str, object],
) -> None:
    if "number_ids" in limits:
        limits = {"number_ids": [str((await platform.number(duka.id)).id)]}
    whole = (await api.get("/v1/me")).json()["api_key"]["id"]
    limited = (await api.post("/v1/api-keys", json={"name": "a", "scopes": ["*"], **limits})).json()["key"]
    refused = await api.post(
        "/v1/api-keys", json={"name": "b", "scopes": ["calls.read"], **wish}, headers=bearer(limited)
    )
    assert (refused.status_code, refused.json()["error"]["code"]) == (403, "api_key.beyond_own_rights")
    allowed = await api.post(
        "/v1/api-keys", json={"name": "b", "scopes": ["*"], **limits}, headers=bearer(limited)
    )
    assert allowed.status_code == 201
    rolled = await api.post(f"/v1/api-keys/{whole}/roll", json={}, headers=bearer(limited))
    assert rolled.json()["error"]["code"] == "api_key.beyond_own_rights"


async def test_making_keys_takes_the_widest_scope(api: httpx.AsyncClient) -> None:
    made = (await api.post("/v1/api-keys", json={"name": "a", "scopes": ["calls.read"]})).json()["key"]
    refused = await api.post("/v1/api-keys", json={"name": "b", "scopes": ["*"]}, headers=bearer(made))
    assert refused.json()["error"]["code"] == "api_key.scope_denied"
    assert "`*`" in refused.json()["error"]["message"]


async def test_a_rolled_key_works_until_its_overlap_is_over(
    api: httpx.AsyncClient, platform: Platform
) -> None:
    old = (await api.post("/v1/api-keys", json={"name": "a", "scopes": ["calls.read"]})).json()
    path = f"/v1/api-keys/{old['api_key']['id']}/roll"
    new = (await api.post(path, json={"overlap_seconds": 60})).json()
    again = await api.post(path, json={})
    assert (again.status_code, again.json()["error"]["code"]) == (409, "api_key.not_active")
    advance(platform.clock, seconds=59)
    for made in (old, new):
        assert (await api.get("/v1/me", headers=bearer(made["key"]))).status_code == 200
    advance(platform.clock, seconds=1)
    expired = await api.get("/v1/me", headers=bearer(old["key"]))
    assert (expired.status_code, expired.json()["error"]["code"]) == (401, "api_key.expired")
    assert (await api.get("/v1/me", headers=bearer(new["key"]))).status_code == 200


async def test_a_member_cannot_roll_his_way_to_an_owners_rights(
    api: httpx.AsyncClient, platform: Platform, duka: Workspace
) -> None:
    operators = (await api.get("/v1/me")).json()["api_key"]["id"]
    made = await platform.key(duka.id)
    async with platform.database.transaction() as connection:
        await connection.execute("UPDATE members SET role = 'member' WHERE workspace_id = $1", duka.id)
        await connection.execute(
            "UPDATE api_keys SET created_by = (SELECT user_id FROM members) WHERE id = $1", made.record.id
        )
    refused = await api.post(f"/v1/api-keys/{operators}/roll", json={}, headers=bearer(made.key))
    assert refused.json()["error"]["code"] == "api_key.beyond_own_rights"
    audit = await api.get("/v1/audit-log", headers=bearer(made.key))
    assert audit.json()["error"]["code"] == "accounts.owner_required"


async def test_a_revoked_key_is_listed_and_revoking_it_again_is_harmless(
    api: httpx.AsyncClient, platform: Platform
) -> None:
    made = (await api.post("/v1/api-keys", json={"name": "a", "scopes": ["calls.read"]})).json()
    path = f"/v1/api-keys/{made['api_key']['id']}"
    first, second = await api.delete(path), await api.delete(path)
    assert first.json() == second.json()
    advance(platform.clock, seconds=1)
    refused = await api.get("/v1/me", headers=bearer(made["key"]))
    assert (refused.status_code, refused.json()["error"]["code"]) == (401, "api_key.revoked")
    listed = (await api.get("/v1/api-keys")).json()["data"]
    assert [key["state"] for key in listed] == ["revoked", "active"]


@pytest.mark.parametrize("key_id", ["nonsense", "019ab2c0-0000-7000-8000-000000000001"])
async def test_an_unknown_key_is_not_found(api: httpx.AsyncClient, key_id: str) -> None:
    refused = await api.delete(f"/v1/api-keys/{key_id}")
    assert (refused.status_code, refused.json()["error"]["code"]) == (404, "api_key.not_found")


async def test_a_key_of_another_workspace_or_mode_is_not_found(
    api: httpx.AsyncClient, platform: Platform, duka: Workspace
) -> None:
    other = await platform.workspace("Other", "otieno@example.co.ke")
    for made in (await platform.key(other.id), await platform.key(duka.id, "live")):
        assert (await api.delete(f"/v1/api-keys/{made.record.id}")).status_code == 404


async def test_a_key_that_has_expired_since_is_shown_again_to_who_repeats_his_request(
    api: httpx.AsyncClient, platform: Platform
) -> None:
    body = {
        "name": "a",
        "scopes": ["calls.read"],
        "expires_at": rfc3339(platform.clock.now() + timedelta(hours=1)),
    }
    once = {"Idempotency-Key": "k"}
    made = await api.post("/v1/api-keys", json=body, headers=once)
    advance(platform.clock, seconds=7200)
    again = await api.post("/v1/api-keys", json=body, headers=once)
    assert (made.status_code, again.status_code, again.content) == (201, 201, made.content)
    late = await api.post("/v1/api-keys", json=body)
    assert [one["pointer"] for one in late.json()["error"]["fields"]] == ["/expires_at"]


async def test_the_signing_secret_is_shown_in_test_mode_only(
    api: httpx.AsyncClient, platform: Platform, duka: Workspace
) -> None:
    shown = await api.get("/v1/signing-secret")
    assert shown.json()["secret"].startswith("whsec_")
    assert shown.headers["cache-control"] == "no-store"
    live = await platform.key(duka.id, "live")
    refused = await api.get("/v1/signing-secret", headers=bearer(live.key))
    assert (refused.status_code, refused.json()["error"]["code"]) == (403, "signing_secret.test_mode_only")


async def test_the_audit_log_tells_who_did_what_and_from_where(api: httpx.AsyncClient) -> None:
    own = (await api.get("/v1/me")).json()["api_key"]["id"]
    made = (await api.post("/v1/api-keys", json={"name": "shop", "scopes": ["calls.read"]})).json()
    entries = (await api.get("/v1/audit-log")).json()["data"]
    assert [entry["action"] for entry in entries] == ["api_key.create", "workspace.create"]
    newest = entries[0]
    assert (newest["actor_kind"], newest["actor_id"], newest["target"]) == (
        "api_key",
        own,
        made["api_key"]["id"],
    )
    assert newest["source_address"] == "127.0.0.1"
    assert made["key"] not in str(entries)


async def test_the_audit_log_is_searched_and_exported(api: httpx.AsyncClient) -> None:
    await api.post("/v1/api-keys", json={"name": "=1+1", "scopes": ["calls.read"]})
    (made,) = (await api.get("/v1/audit-log?action=api_key.create")).json()["data"]
    assert (await api.get("/v1/audit-log?to=2020-01-01T00:00:00Z")).json()["data"] == []
    export = await api.get("/v1/audit-log?format=csv")
    assert export.headers["content-type"].startswith("text/csv")
    rows = list(csv.DictReader(export.text.splitlines()))
    assert [row["action"] for row in rows] == ["api_key.create", "workspace.create"]
    assert rows[0] == made | {"detail": rows[0]["detail"]}
    assert json.loads(rows[0]["detail"]) == made["detail"]
