from collections.abc import AsyncIterator

import httpx
import pytest

from factories import Platform, client
from sautikitd.errors import FieldProblem
from sautikitd.identity.workspaces import Workspace


def code_of(answer: httpx.Response) -> tuple[int, str]:
    return answer.status_code, answer.json()["error"]["code"]


def fields_of(answer: httpx.Response) -> list[FieldProblem]:
    return [FieldProblem(field["pointer"], field["problem"]) for field in answer.json()["error"]["fields"]]


async def post(api: httpx.AsyncClient, body: bytes | str, kind: str = "application/json") -> httpx.Response:
    return await api.post("/v1/things", content=body, headers={"Content-Type": kind})


async def test_a_refusal_names_its_code_page_and_request(api: httpx.AsyncClient) -> None:
    refused = await api.get("/v1/numbers/none", headers={"X-Request-Id": "mine-1"})
    assert refused.json() == {
        "error": {
            "code": "numbers.not_found",
            "message": "There is no such number here. GET /v1/numbers lists yours, GET /v1/numbers/available those to claim.",
            "request_id": "mine-1",
            "docs_url": "https://sautikit.test/developers/errors/numbers.not_found",
        }
    }
    assert refused.headers["x-request-id"] == "mine-1"
    assert refused.headers["content-type"] == "application/json"


@pytest.mark.parametrize("theirs", ["", "a b", "ä", "x" * 129, "<script>"])
async def test_an_odd_request_id_is_replaced(api: httpx.AsyncClient, theirs: str) -> None:
    answer = await api.get("/v1/me", headers=httpx.Headers({"X-Request-Id": theirs}, encoding="utf-8"))
    assert answer.headers["x-request-id"].startswith("req_")


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("GET", "/v1/me"),
        ("GET", "/healthz"),
        ("GET", "/nowhere"),
        ("DELETE", "/v1/me"),
        ("OPTIONS", "/v1/me"),
        ("HEAD", "/v1/me"),
        ("GET", "/openapi.json"),
        ("GET", "/v1/broken"),
        ("POST", "/healthz"),
    ],
)
async def test_every_response_has_a_request_id(api: httpx.AsyncClient, method: str, path: str) -> None:
    answer = await api.request(method, path, headers={"X-Request-Id": "mine-2"})
    assert answer.headers.get_list("x-request-id") == ["mine-2"]


async def test_an_unknown_path_is_404_and_a_wrong_method_405(api: httpx.AsyncClient) -> None:
    assert code_of(await api.get("/v1/nowhere")) == (404, "request.not_found")
    assert code_of(await api.get("/v1/numbers/a/b/c")) == (404, "request.not_found")
    wrong = await api.put("/v1/things")
    assert code_of(wrong) == (405, "request.method_not_allowed")
    assert wrong.headers["allow"] == "GET, HEAD, OPTIONS, POST"
    assert (await api.delete("/healthz")).headers["allow"] == "GET, HEAD, OPTIONS"
    assert (await api.post("/v1/numbers/available")).headers["allow"] == "GET, HEAD, OPTIONS"


async def test_our_own_mistakes_tell_nothing(api: httpx.AsyncClient) -> None:
    answer = await api.get("/v1/broken")
    assert code_of(answer) == (500, "internal_error")
    assert "hunter2" not in answer.text


@pytest.mark.parametrize(
    "credential", ["", "Basic dXNlcjpwdw==", "Bearer", "Bearer ", "Bearer nonsense", "tsk_live_x"]
)
async def test_without_a_right_key_it_is_401(api: httpx.AsyncClient, credential: str) -> None:
    refused = await api.get("/v1/me", headers={"Authorization": credential})
    assert refused.status_code == 401
    assert refused.headers["www-authenticate"].startswith("Bearer")


MALFORMED: dict[str, bytes | str] = {
    "cut off": "{",
    "empty": "",
    "no JSON": "nonsense",
    "doubled key": '{"name": 1, "name": 2}',
    "doubled key inside": '{"a": {"b": 1, "b": 2}}',
    "no number": '{"name": NaN}',
    "a number beyond all": '{"name": -1e999}',
    "more than one": '{"name": "a"} x',
    "not UTF-8": b"\xff\xfe",
    "too deep": "[" * 100_000,
    "a byte order mark": b'\xef\xbb\xbf{"name": "a"}',
    "a bare line break": '{"name": "a\nb"}',
    "a number of 5,000 digits": "1" * 5_000,
}


@pytest.mark.parametrize("body", MALFORMED.values(), ids=MALFORMED)
async def test_malformed_json_is_400(api: httpx.AsyncClient, body: bytes | str) -> None:
    headers = {"Content-Type": "application/json; charset=utf-8"}
    refused = await api.post("/v1/api-keys", content=body, headers=headers)
    assert code_of(refused) == (400, "request.malformed_json")


async def test_text_that_cannot_be_kept_is_told_at_its_place_beside_all_else(api: httpx.AsyncClient) -> None:
    body = rb'{"name": "a\u0000", "wheels": [{"size": 0, "colour": "\ud800"}], "\udc00": 1, "note": "\ud83d\ude00"}'
    refused = await post(api, body.decode())
    assert code_of(refused) == (422, "request.invalid")
    kept = "holds the character NUL or half of a surrogate pair"
    assert fields_of(refused) == [
        FieldProblem(r"/\udc00", "unknown field"),
        FieldProblem("/name", kept),
        FieldProblem("/wheels/0/size", "must be at least 1"),
        FieldProblem("/wheels/0/colour", kept),
    ]


async def test_the_doubled_key_is_named(api: httpx.AsyncClient) -> None:
    refused = await post(api, '{"name": "a", "note": "b", "name": "c"}')
    assert "'name' stands twice" in refused.json()["error"]["message"]


async def test_every_bad_field_is_told_at_its_place(api: httpx.AsyncClient) -> None:
    body = '{"nam": 1, "wheels": [{"size": 0}, {"size": 5, "colour": "blue", "x/y": 1}, 7], "note": null}'
    refused = await post(api, body)
    assert code_of(refused) == (422, "request.invalid")
    assert fields_of(refused) == [
        FieldProblem("/nam", "unknown field; did you mean `name`?"),
        FieldProblem("/name", "required, but missing"),
        FieldProblem("/wheels/0/size", "must be at least 1"),
        FieldProblem("/wheels/1/x~1y", "unknown field"),
        FieldProblem("/wheels/1/colour", "red or green"),
        FieldProblem("/wheels/2", "must be an object, not a whole number"),
        FieldProblem("/note", "must be text, not null"),
    ]


async def test_what_only_the_whole_shows_is_told_too(api: httpx.AsyncClient) -> None:
    wheel = '{"size": 5}'
    refused = await post(api, f'{{"name": "a", "wheels": [{wheel}, {wheel}, {wheel}]}}')
    assert fields_of(refused) == [FieldProblem("/wheels", "a bicycle has two")]


@pytest.mark.parametrize("body", ["[]", "null", "1", '"text"'])
async def test_a_body_is_an_object(api: httpx.AsyncClient, body: str) -> None:
    refused = await post(api, body)
    assert [field.pointer for field in fields_of(refused)] == [""]


async def test_bad_query_parameters_are_told(api: httpx.AsyncClient) -> None:
    refused = await api.get("/v1/things?limit=0&heavy=perhaps&limt=3")
    assert sorted(field.pointer for field in fields_of(refused)) == ["?heavy", "?limit", "?limt"]
    assert code_of(await api.get("/v1/things?cursor=nonsense")) == (422, "request.invalid_cursor")
    assert (await api.get("/v1/things?cursor=%00")).status_code == 422


async def test_a_body_over_the_limit_is_413(api: httpx.AsyncClient) -> None:
    async def chunks() -> AsyncIterator[bytes]:
        for _ in range(30):
            yield b" " * 100

    assert code_of(await post(api, b" " * 2_001)) == (413, "request.too_large")
    streamed = await api.post("/v1/things", content=chunks(), headers={"Content-Type": "application/json"})
    assert code_of(streamed) == (413, "request.too_large")


@pytest.mark.parametrize(
    "kind", ["", "text/plain", "application/x-www-form-urlencoded", "application/json-patch+json"]
)
async def test_another_media_type_is_415(api: httpx.AsyncClient, kind: str) -> None:
    assert code_of(await post(api, '{"name": "a"}', kind)) == (415, "request.unsupported_media_type")


async def test_head_has_the_headers_of_get_and_no_body(api: httpx.AsyncClient) -> None:
    head, get = await api.head("/v1/things"), await api.get("/v1/things")
    assert (head.status_code, head.content) == (200, b"")
    assert head.headers["content-length"] == get.headers["content-length"]
    assert head.headers["content-type"] == get.headers["content-type"]


async def test_options_tells_the_methods(api: httpx.AsyncClient) -> None:
    answer = await api.options("/v1/things")
    assert (answer.status_code, answer.headers["allow"]) == (204, "GET, HEAD, OPTIONS, POST")


async def test_the_rate_is_limited_for_each_key(platform: Platform, duka: Workspace) -> None:
    one, other = await platform.key(duka.id), await platform.key(duka.id)
    async with client(platform.application(limit=3), one.key) as api:
        answers = [await api.get("/v1/me") for _ in range(4)]
        unhindered = await api.get("/v1/me", headers={"Authorization": f"Bearer {other.key}"})
    assert [answer.status_code for answer in answers] == [200, 200, 200, 429]
    assert [answer.headers["ratelimit-remaining"] for answer in answers] == ["2", "1", "0", "0"]
    assert {answer.headers["ratelimit-limit"] for answer in answers} == {"3"}
    assert (answers[3].headers["retry-after"], code_of(answers[3])) == ("1", (429, "rate_limited"))
    assert unhindered.status_code == 200


async def test_a_missing_scope_is_named(platform: Platform, duka: Workspace) -> None:
    made = await platform.key(duka.id, scopes=["numbers.read"])
    async with client(platform.application(), made.key) as api:
        assert (await api.get("/v1/numbers")).status_code == 200
        refused = await api.post("/v1/numbers/claim", json={"area_code": "020"})
    assert code_of(refused) == (403, "api_key.scope_denied")
    assert "numbers.write" in refused.json()["error"]["message"]


async def test_pages_hold_still_while_rows_arrive(api: httpx.AsyncClient) -> None:
    async def make(name: str) -> str:
        made: str = (await api.post("/v1/things", json={"name": name})).json()["id"]
        return made

    made = [await make(str(n)) for n in range(6)]
    seen: list[str] = []
    cursor: str | None = ""
    for _ in range(3):
        page = (await api.get("/v1/things", params={"limit": "2", "cursor": cursor or ""})).json()
        seen += [thing["id"] for thing in page["data"]]
        cursor = page["next_cursor"]
        await make("late")
    assert seen == made[::-1]


async def test_a_failed_wake_up_does_not_undo_an_answer(api: httpx.AsyncClient) -> None:
    assert (await api.post("/v1/wake-failing")).status_code == 201


async def test_an_empty_answer_is_empty(api: httpx.AsyncClient) -> None:
    answer = await api.post("/v1/nothing")
    assert (answer.status_code, answer.content) == (204, b"")


async def test_another_way_to_write_a_known_name_is_recognised(api: httpx.AsyncClient) -> None:
    refused = await post(api, '{"Name": "a", "WHEELS": [], "no-te": "b"}')
    assert [field for field in fields_of(refused) if field.problem.startswith("unknown")] == [
        FieldProblem("/Name", "unknown field; did you mean `name`?"),
        FieldProblem("/WHEELS", "unknown field; did you mean `wheels`?"),
        FieldProblem("/no-te", "unknown field; did you mean `note`?"),
    ]
