"""`/v1/numbers/{id}/sip-credentials`: a password once, and digests kept instead of it."""

from uuid import UUID

import httpx

from devices.conftest import ADDRESSES
from factories import BOX, Platform, client
from sautikitd.devices.credentials import MOST, REALM, SipCredentials
from sautikitd.devices.routes import DeviceRoutes
from sautikitd.devices.usernames import is_username
from sautikitd.voice.sip.digest import ha1


async def digests_of(platform: Platform, username: str) -> dict[str, str] | None:
    async with platform.database.connection() as connection:
        proof = await SipCredentials(BOX).proof_of(connection, username, platform.clock.now())
    return None if proof is None else dict(proof.digests)


async def test_a_credential_shows_its_password_once_and_only_digests_are_kept(
    api: httpx.AsyncClient, platform: Platform, number_id: str
) -> None:
    path = f"/v1/numbers/{number_id}/sip-credentials"
    response = await api.post(path, json={"label": "reception"})
    made = response.json()
    assert response.status_code == 201
    assert response.headers["Cache-Control"] == "no-store"
    assert response.headers["Location"] == f"{path}/{made['sip_credential']['id']}"
    assert is_username(made["username"])
    assert (made["domain"], made["ws_url"]) == ("sip.sautikit.test", "wss://sip.sautikit.test/ws")
    assert await digests_of(platform, made["username"]) == {
        name: ha1(made["username"], REALM, made["password"], name) for name in ("MD5", "SHA-256")
    }
    async with platform.database.connection() as connection:
        row = dict(await connection.fetchrow("SELECT * FROM sip_credentials"))
    assert made["password"] not in str(row)
    (listed,) = (await api.get(path)).json()["data"]
    assert listed == made["sip_credential"]
    assert "password" not in listed


async def test_rotating_changes_the_password_and_nothing_else(
    api: httpx.AsyncClient, platform: Platform, number_id: str
) -> None:
    path = f"/v1/numbers/{number_id}/sip-credentials"
    made = (await api.post(path, json={})).json()
    rotated = (await api.post(f"{path}/{made['sip_credential']['id']}/rotate")).json()
    assert rotated["username"] == made["username"]
    assert rotated["password"] != made["password"]
    assert rotated["sip_credential"]["rotated_at"]
    digests = await digests_of(platform, made["username"])
    assert digests is not None
    assert digests["MD5"] == ha1(made["username"], REALM, rotated["password"])


async def test_a_deleted_credential_proves_nothing_any_more(
    api: httpx.AsyncClient, platform: Platform, number_id: str
) -> None:
    path = f"/v1/numbers/{number_id}/sip-credentials"
    made = (await api.post(path, json={})).json()
    deleted = await api.delete(f"{path}/{made['sip_credential']['id']}")
    assert (deleted.status_code, deleted.content) == (204, b"")
    assert await digests_of(platform, made["username"]) is None
    again = await api.delete(f"{path}/{made['sip_credential']['id']}")
    assert again.json()["error"]["code"] == "sip_credentials.not_found"
    assert (await api.get(path)).json()["data"] == []


async def test_a_released_number_keeps_no_device(
    api: httpx.AsyncClient, platform: Platform, number_id: str
) -> None:
    path = f"/v1/numbers/{number_id}/sip-credentials"
    made = (await api.post(path, json={})).json()
    await api.delete(f"/v1/numbers/{number_id}")
    assert await digests_of(platform, made["username"]) is None
    assert (await api.post(path, json={})).json()["error"]["code"] == "numbers.not_assigned"


async def test_each_act_is_in_the_audit_log_without_a_secret(api: httpx.AsyncClient, number_id: str) -> None:
    path = f"/v1/numbers/{number_id}/sip-credentials"
    made = (await api.post(path, json={})).json()
    credential = f"{path}/{made['sip_credential']['id']}"
    rotated = (await api.post(f"{credential}/rotate")).json()
    await api.delete(credential)
    log = await api.get("/v1/audit-log")
    acts = [entry["action"] for entry in log.json()["data"]]
    assert acts[:3] == ["sip_credential.delete", "sip_credential.rotate", "sip_credential.create"]
    assert made["password"] not in log.text
    assert rotated["password"] not in log.text


async def test_another_workspaces_number_is_not_found(platform: Platform, number_id: str) -> None:
    other = await platform.workspace("Kiosk", "otieno@example.co.ke")
    routes = DeviceRoutes(SipCredentials(BOX), ADDRESSES, platform.clock)
    async with client(platform.application(routes), (await platform.key(other.id)).key) as stranger:
        refused = await stranger.post(f"/v1/numbers/{number_id}/sip-credentials", json={})
    assert refused.json()["error"]["code"] == "numbers.not_found"


async def test_a_number_has_at_most_a_hundred(
    api: httpx.AsyncClient, platform: Platform, number_id: str
) -> None:
    async with platform.database.connection() as connection:
        await connection.execute(
            "INSERT INTO sip_credentials (id, workspace_id, mode, number_id, username, ha1_encrypted, created_at) "
            "SELECT gen_random_uuid(), workspace_id, mode, id, 'u' || n, '', now() FROM numbers, generate_series(1, $2) n "
            "WHERE id = $1",
            UUID(number_id),
            MOST,
        )
    refused = await api.post(f"/v1/numbers/{number_id}/sip-credentials", json={})
    assert (refused.status_code, refused.json()["error"]["code"]) == (409, "sip_credentials.too_many")
