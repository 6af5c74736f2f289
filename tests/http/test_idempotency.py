import asyncio

import httpx
import pytest

from factories import Platform, advance
from http_probe import ProbeRoutes
from sautikitd.identity.workspaces import Workspace

BICYCLE = {"name": "Black Mamba"}


def keyed(key: str = "k-1") -> dict[str, str]:
    return {"Idempotency-Key": key}


async def count(platform: Platform) -> int:
    """Things made; the workspace's owner is a user too."""
    async with platform.database.connection() as connection:
        users: int = await connection.fetchval("SELECT count(*) FROM users")
    return users - 1


def code_of(answer: httpx.Response) -> tuple[int, str]:
    return answer.status_code, answer.json()["error"]["code"]


async def test_the_same_request_is_answered_again_and_done_once(
    api: httpx.AsyncClient, platform: Platform, probe: ProbeRoutes
) -> None:
    first = await api.post("/v1/things", json=BICYCLE, headers=keyed())
    again = await api.post("/v1/things", json=BICYCLE, headers=keyed())
    assert (again.status_code, again.content) == (first.status_code, first.content)
    assert again.headers["location"] == first.headers["location"]
    assert (first.headers.get("idempotent-replay"), again.headers["idempotent-replay"]) == (None, "true")
    assert (await count(platform), probe.woken) == (1, 1)


async def test_another_body_path_or_query_is_a_conflict(api: httpx.AsyncClient) -> None:
    await api.post("/v1/things", json=BICYCLE, headers=keyed())
    for path, body in (
        ("/v1/things", {"name": "other"}),
        ("/v1/refused", BICYCLE),
        ("/v1/things?limit=1", BICYCLE),
        ("/v1/things", {"name": 5}),  # before what is wrong with it
        ("/v1/nothing", BICYCLE),
    ):
        refused = await api.post(path, json=body, headers=keyed())
        assert code_of(refused) == (409, "idempotency.conflict")


async def test_a_key_is_found_odd_beside_what_else_is_wrong(api: httpx.AsyncClient) -> None:
    refused = await api.post("/v1/things?a=1", json={"name": 5}, headers=keyed("a b"))
    assert code_of(refused) == (422, "request.invalid")
    assert {one["pointer"] for one in refused.json()["error"]["fields"]} == {"/name", "?a", "Idempotency-Key"}


async def test_while_it_runs_a_second_is_told_to_wait(
    api: httpx.AsyncClient, platform: Platform, probe: ProbeRoutes
) -> None:
    first = asyncio.create_task(api.post("/v1/slow", json=BICYCLE, headers=keyed()))
    await probe.started.wait()
    second = await api.post("/v1/slow", json=BICYCLE, headers=keyed())
    probe.go.set()
    assert code_of(second) == (409, "idempotency.in_progress")
    assert second.headers["retry-after"] == "1"
    assert (await first).status_code == 201
    assert await count(platform) == 1


async def test_fifty_at_once_have_one_effect(api: httpx.AsyncClient, platform: Platform) -> None:
    async def send() -> httpx.Response:
        while True:
            answer = await api.post("/v1/things", json=BICYCLE, headers=keyed())
            if answer.status_code != 409:
                return answer
            assert code_of(answer) == (409, "idempotency.in_progress")

    answers = await asyncio.gather(*(send() for _ in range(50)))
    assert len({answer.content for answer in answers}) == 1
    assert {answer.status_code for answer in answers} == {201}
    assert sum("idempotent-replay" not in answer.headers for answer in answers) == 1
    assert await count(platform) == 1


async def test_fifty_claims_of_one_number_never_see_it_taken(api: httpx.AsyncClient) -> None:
    wish = {"e164": "+254200000001"}
    answers = await asyncio.gather(
        *(api.post("/v1/numbers/claim", json=wish, headers=keyed()) for _ in range(50))
    )
    refusals = {code_of(answer)[1] for answer in answers if answer.status_code != 201}
    assert refusals <= {"idempotency.in_progress"}
    assert len({answer.content for answer in answers if answer.status_code == 201}) == 1


async def test_a_refused_request_may_be_sent_again(
    api: httpx.AsyncClient, platform: Platform, probe: ProbeRoutes
) -> None:
    assert (await api.post("/v1/refused", json=BICYCLE, headers=keyed())).status_code == 404
    assert await count(platform) == 0
    probe.go.set()
    assert (await api.post("/v1/refused", json=BICYCLE, headers=keyed())).status_code == 201
    assert await count(platform) == 1


async def test_an_empty_answer_is_replayed_empty(api: httpx.AsyncClient) -> None:
    for _ in range(2):
        answer = await api.post("/v1/nothing", headers=keyed())
        assert (answer.status_code, answer.content) == (204, b"")
    assert answer.headers["idempotent-replay"] == "true"


async def test_a_secret_is_replayed_to_its_own_key_only(
    api: httpx.AsyncClient, platform: Platform, duka: Workspace
) -> None:
    other = {"Authorization": f"Bearer {(await platform.key(duka.id)).key}"}
    first = await api.post("/v1/secrets", headers=keyed())
    assert (await api.post("/v1/secrets", headers=keyed())).content == first.content
    assert code_of(await api.post("/v1/secrets", headers=keyed() | other)) == (409, "idempotency.conflict")
    ordinary = await api.post("/v1/things", json=BICYCLE, headers=keyed("k-2"))
    assert (
        await api.post("/v1/things", json=BICYCLE, headers=keyed("k-2") | other)
    ).content == ordinary.content


async def test_keys_of_other_modes_and_workspaces_do_not_meet(
    api: httpx.AsyncClient, platform: Platform, duka: Workspace
) -> None:
    kiosk = await platform.workspace("Kiosk", "wanjiru@example.co.ke")
    made = [await platform.key(duka.id, "live"), await platform.key(kiosk.id)]
    answers = [await api.post("/v1/things", json=BICYCLE, headers=keyed())]
    for key in made:
        bearer = {"Authorization": f"Bearer {key.key}"}
        answers.append(await api.post("/v1/things", json=BICYCLE, headers=keyed() | bearer))
    assert len({answer.json()["id"] for answer in answers}) == 3


async def test_after_a_day_the_key_is_free_again(api: httpx.AsyncClient, platform: Platform) -> None:
    first = await api.post("/v1/things", json=BICYCLE, headers=keyed())
    advance(platform.clock, hours=24)
    assert (await api.post("/v1/things", json=BICYCLE, headers=keyed())).json()["id"] != first.json()["id"]


@pytest.mark.parametrize("key", ["", " ", "a b", "ä", "k" * 256])
async def test_an_odd_key_is_refused(api: httpx.AsyncClient, key: str) -> None:
    refused = await api.post("/v1/things", json=BICYCLE, headers=httpx.Headers(keyed(key), encoding="utf-8"))
    assert code_of(refused) == (400, "idempotency.invalid_key")


async def test_stored_answers_are_sealed(api: httpx.AsyncClient, platform: Platform) -> None:
    await api.post("/v1/things", json=BICYCLE, headers=keyed())
    async with platform.database.connection() as connection:
        stored = await connection.fetchval("SELECT answer_encrypted FROM idempotency_keys")
    assert b"Mamba" not in stored
