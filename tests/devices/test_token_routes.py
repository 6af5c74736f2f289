"""`/v1/webrtc/token` and `/v1/sip/token`: credentials that end by themselves."""

import base64
import hmac

import httpx
import pytest

from devices.conftest import ADDRESSES
from factories import BOX, Platform, advance, client
from sautikitd.devices.bindings import tidy
from sautikitd.devices.credentials import SipCredentials
from sautikitd.devices.routes import DeviceRoutes

BOTH = pytest.mark.parametrize("path", ["/v1/webrtc/token", "/v1/sip/token"])


@BOTH
async def test_a_token_needs_no_body_where_there_is_one_number(api: httpx.AsyncClient, path: str) -> None:
    response = await api.post(path)
    token = response.json()
    assert response.status_code == 201, token
    assert token["token"] == token["password"]
    assert token["number"] == "+254200000001"
    assert token["endpoint"] == token["ws_url"] == "wss://sip.sautikit.test/ws"
    assert token["turnServer"] == "turn:turn.sautikit.test?transport=udp"
    assert response.headers["Cache-Control"] == "no-store"


async def test_turn_credentials_are_those_that_coturn_works_out_itself(
    api: httpx.AsyncClient, platform: Platform
) -> None:
    token = (await api.post("/v1/webrtc/token", json={"ttl_seconds": 600})).json()
    stun, turn = token["ice_servers"]
    assert stun["urls"] == ["stun:turn.sautikit.test"]
    until, _, name = turn["username"].partition(":")
    assert int(until) == int(platform.clock.now().timestamp()) + 600
    assert name == token["username"]
    assert base64.b64decode(turn["credential"]) == hmac.digest(b"north", turn["username"].encode(), "sha1")


async def test_a_token_ends_by_itself_and_is_cleared_away(api: httpx.AsyncClient, platform: Platform) -> None:
    token = (await api.post("/v1/webrtc/token", json={"ttl_seconds": 60, "identity": "asha"})).json()
    assert token["identity"] == "asha"
    async with platform.database.connection() as connection:
        credentials = SipCredentials(BOX)
        assert await credentials.proof_of(connection, token["username"], platform.clock.now())
        advance(platform.clock, seconds=61)
        assert await credentials.proof_of(connection, token["username"], platform.clock.now()) is None
        assert await tidy(connection, platform.clock.now()) == 1
        assert await tidy(connection, platform.clock.now()) == 0


async def test_tokens_are_no_credentials_of_the_number(api: httpx.AsyncClient, number_id: str) -> None:
    await api.post("/v1/webrtc/token")
    assert (await api.get(f"/v1/numbers/{number_id}/sip-credentials")).json()["data"] == []


@pytest.mark.parametrize("identity", ["", "a b", "asha@duka", "x" * 65, "-a"])
async def test_an_identity_that_could_not_be_dialled_is_refused(
    api: httpx.AsyncClient, identity: str
) -> None:
    refused = await api.post("/v1/webrtc/token", json={"identity": identity})
    assert refused.json()["error"]["fields"][0]["pointer"] == "/identity"


async def test_with_several_numbers_the_one_must_be_named(
    api: httpx.AsyncClient, platform: Platform, number_id: str
) -> None:
    await api.post("/v1/numbers/claim", json={"e164": "+254200000002"})
    refused = (await api.post("/v1/webrtc/token")).json()
    assert refused["error"]["fields"][0]["pointer"] == "/number_id"
    assert (await api.post("/v1/webrtc/token", json={"number_id": number_id})).status_code == 201


async def test_a_key_without_the_scope_gets_none(platform: Platform) -> None:
    workspace = await platform.workspace()
    key = await platform.key(workspace.id, scopes=["calls.write", "numbers.write"])
    routes = DeviceRoutes(SipCredentials(BOX), ADDRESSES, platform.clock)
    async with client(platform.application(routes), key.key) as limited:
        refused = (await limited.post("/v1/webrtc/token")).json()
    assert refused["error"]["code"] == "api_key.scope_denied"
