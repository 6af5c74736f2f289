"""Every request that changes something leaves a row in the audit log, whatever its room does (contract §2)."""

import base64
from dataclasses import replace
from pathlib import Path
from typing import Any
from uuid import uuid4

import httpx
import pytest

from factories import Platform as Services
from factories import client
from http_probe import ProbeRoutes
from sautikitd.api import endpoints
from sautikitd.app import open_platform
from sautikitd.http.endpoint import Answer, ApiRequest, Endpoint, endpoints_of
from sautikitd.http.kernel import Kernel
from sautikitd.identity.audit import Actor, record
from sautikitd.identity.principal import Principal
from sautikitd.identity.workspaces import Workspace
from sautikitd.settings import from_environment

# What changes nothing, or nothing of a workspace's own choosing, and why.
_NOT_AUDITED = {
    "POST /v1/voice/validate": "it answers a question",
    "POST /callbacks/paybill/{token}/validation": "it answers a question",
}


@pytest.fixture
async def every_endpoint(tmp_path: Path, database_url: str) -> list[Endpoint]:
    (tmp_path / "master.keys").write_bytes(base64.b64encode(bytes(range(32))))  # as in `factories`
    settings = from_environment({"SAUTIKIT_DATA_DIR": str(tmp_path)})
    async with open_platform(settings, "audit", url=database_url, connections=2) as platform:
        return list(endpoints(platform, lambda workspace_id: None))


async def test_only_what_changes_nothing_is_left_out(every_endpoint: list[Endpoint]) -> None:
    left_out = {f"{one.method} {one.path}" for one in every_endpoint if one.changes and not one.records_act}
    assert left_out == set(_NOT_AUDITED)


async def test_each_of_them_leaves_a_row_with_a_name_of_its_own(
    every_endpoint: list[Endpoint], platform: Services, duka: Workspace
) -> None:
    """Through the kernel, with a handler that succeeds and records nothing."""
    principal = Principal(id=uuid4(), workspace_id=duka.id, mode="test", scopes=frozenset("*"))
    changing = [one for one in every_endpoint if one.records_act]
    assert len(changing) > 20
    for endpoint in changing:
        request = _request(platform, principal, endpoint)
        async with platform.database.change() as change:
            request.connection = change.connection
            await Kernel._act(_succeeding(endpoint), request, change)
        async with platform.database.connection() as connection:
            where = "workspace_id IS NULL" if not endpoint.authenticated else "actor_id = $2"
            rows = await connection.fetch(
                f"SELECT * FROM audit_log WHERE action = $1 AND {where}",
                *([endpoint.action] if not endpoint.authenticated else [endpoint.action, str(principal.id)]),
            )
        assert rows, endpoint.path
        assert rows[-1]["source_address"] == "203.0.113.7"
        assert rows[-1]["detail"] == {}


async def test_a_room_that_records_its_own_act_is_not_doubled(platform: Services, duka: Workspace) -> None:
    principal = Principal(id=uuid4(), workspace_id=duka.id, mode="test", scopes=frozenset("*"))

    async def careful(request: ApiRequest[Any, Any]) -> Answer:
        actor = Actor.of(request.principal, request.source_address)
        await record(request.connection, actor, "thing.make", "1", now=request.now)
        return Answer()

    endpoint = _succeeding(_probe_endpoint(), careful)
    async with platform.database.change() as change:
        request = _request(platform, principal, endpoint)
        request.connection = change.connection
        await Kernel._act(endpoint, request, change)
    async with platform.database.connection() as connection:
        actions = await connection.fetch(
            "SELECT action FROM audit_log WHERE actor_id = $1", str(principal.id)
        )
    assert [row["action"] for row in actions] == ["thing.make"]


async def test_a_refused_request_and_a_replay_leave_none(
    api: httpx.AsyncClient, platform: Services, probe: ProbeRoutes
) -> None:
    once = {"Idempotency-Key": "k"}
    for _ in range(2):
        made = await api.post("/v1/things", json={"name": "a"}, headers=once)
    await api.post("/v1/refused", json={"name": "b"})
    async with platform.database.connection() as connection:
        rows = await connection.fetch("SELECT action, target FROM audit_log WHERE action LIKE 'probe.%'")
    assert [(row["action"], row["target"]) for row in rows] == [("probe.make", made.json()["id"])]


async def test_the_owner_reads_it(platform: Services, duka: Workspace, probe: ProbeRoutes) -> None:
    made = await platform.key(duka.id)
    async with client(platform.application(probe), made.key) as api:
        await api.post("/v1/nothing")
        newest = (await api.get("/v1/audit-log?limit=1")).json()["data"][0]
    assert (newest["action"], newest["actor_id"]) == ("probe.nothing", str(made.record.id))


def _probe_endpoint() -> Endpoint:
    return next(one for one in endpoints_of(ProbeRoutes()) if one.name == "make")


def _succeeding(endpoint: Endpoint, handler: Any = None) -> Endpoint:
    async def nothing(request: ApiRequest[Any, Any]) -> Answer:
        return Answer()

    return replace(endpoint, handler=handler or nothing)


def _request(platform: Services, principal: Principal, endpoint: Endpoint) -> ApiRequest[Any, Any]:
    return ApiRequest(
        connection=None,
        principal=principal,
        body=None,
        query=None,
        path={"some_id": str(uuid4())},
        headers={},
        request_id="req_1",
        source_address="203.0.113.7",
        now=platform.clock.now(),
    )
