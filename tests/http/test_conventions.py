import gzip
import json

import httpx
import pytest

from factories import Platform, client
from http_probe import ProbeRoutes
from sautikitd.flow.routes import FlowRoutes
from sautikitd.http.conventions import accepts, zstd
from sautikitd.identity.workspaces import Workspace


def code_of(answer: httpx.Response) -> tuple[int, str]:
    return answer.status_code, answer.json()["error"]["code"]


async def test_what_has_not_changed_is_answered_with_304(api: httpx.AsyncClient) -> None:
    first = await api.get("/v1/me")
    again = await api.get("/v1/me", headers={"If-None-Match": f'"other", {first.headers["etag"]}'})
    other = await api.get("/v1/me", headers={"If-None-Match": 'W/"other"'})
    assert (again.status_code, again.content) == (304, b"")
    assert again.headers["etag"] == first.headers["etag"]
    assert first.headers["cache-control"] == "private, no-cache"
    assert other.status_code == 200


async def test_lists_and_secrets_have_no_etag_and_are_never_stored(api: httpx.AsyncClient) -> None:
    for path in ("/v1/numbers", "/v1/signing-secret"):
        answer = await api.get(path)
        assert "etag" not in answer.headers
        assert answer.headers["cache-control"] == "no-store"


@pytest.mark.parametrize(
    ("accept", "taken"),
    [
        ("", True),
        ("*/*", True),
        ("application/json", True),
        ("text/html, application/*;q=0.5", True),
        ("text/html", False),
        ("application/json;q=0, */*", False),
        ("text/html;q=nonsense", False),
    ],
)
def test_an_accept_header_takes_json_or_not(accept: str, taken: bool) -> None:
    assert accepts(accept, frozenset({"application/json"})) is taken


async def test_an_accept_that_takes_nothing_we_send_is_406(api: httpx.AsyncClient) -> None:
    refused = await api.get("/v1/me", headers={"Accept": "text/html"})
    assert code_of(refused) == (406, "request.not_acceptable")
    assert "application/json" in refused.json()["error"]["message"]


@pytest.mark.parametrize(
    ("accepted", "coding"),
    [
        ("gzip", "gzip"),
        ("zstd", "zstd"),
        ("gzip, deflate, br, zstd", "zstd"),
        ("gzip, zstd;q=0.5", "gzip"),
        ("zstd;q=0, gzip", "gzip"),
        ("GZIP", "gzip"),
        ("*", "gzip"),
    ],
)
async def test_large_answers_are_compressed_as_the_client_likes(
    api: httpx.AsyncClient, accepted: str, coding: str
) -> None:
    async with api.stream("GET", "/openapi.json", headers={"Accept-Encoding": accepted}) as packed:
        raw = b"".join([chunk async for chunk in packed.aiter_raw()])
    plain = await api.get("/openapi.json", headers={"Accept-Encoding": "gzip;q=0"})
    assert packed.headers["content-encoding"] == coding
    assert packed.headers["vary"] == "Accept-Encoding"
    unpacked = gzip.decompress(raw) if coding == "gzip" else zstd.decompress(raw)
    assert json.loads(unpacked) == plain.json()
    assert len(raw) < len(plain.content) / 4
    assert "content-encoding" not in plain.headers


@pytest.mark.parametrize("accepted", ["", "br", "*;q=0", "gzip;q=0.5, identity"])
async def test_nobody_is_sent_a_coding_that_he_likes_less_than_none(
    api: httpx.AsyncClient, accepted: str
) -> None:
    plain = await api.get("/openapi.json", headers={"Accept-Encoding": accepted})
    assert "content-encoding" not in plain.headers
    same = await api.get("/openapi.json", headers={"If-None-Match": plain.headers["etag"]})
    assert (same.status_code, same.headers["vary"]) == (304, "Accept-Encoding")


@pytest.mark.parametrize(
    ("content_type", "status"),
    [
        ("application/json", 201),
        ('Application/JSON; charset="UTF-8"', 201),
        ("application/json; charset=utf-16", 415),
        ("application/vnd.api+json", 415),
        ("text/plain", 415),
    ],
)
async def test_a_body_is_json_in_utf_8(api: httpx.AsyncClient, content_type: str, status: int) -> None:
    answer = await api.post("/v1/things", content=b'{"name": "a"}', headers={"Content-Type": content_type})
    assert answer.status_code == status


async def test_secrets_are_never_compressed(api: httpx.AsyncClient) -> None:
    body = {"name": "a", "scopes": ["*"], "source_cidrs": [f"10.{i}.0.0/16" for i in range(50)]}
    made = await api.post("/v1/api-keys", json=body, headers={"Accept-Encoding": "gzip"})
    assert len(made.content) > 1024
    assert made.status_code == 201
    assert "content-encoding" not in made.headers


async def test_a_compressed_body_is_refused(api: httpx.AsyncClient) -> None:
    packed = gzip.compress(b'{"name": "a"}')
    headers = {"Content-Type": "application/json", "Content-Encoding": "gzip"}
    refused = await api.post("/v1/things", content=packed, headers=headers)
    assert code_of(refused) == (415, "request.unsupported_media_type")


async def test_pages_of_any_origin_read_what_is_browser_safe_and_nothing_else(
    platform: Platform, duka: Workspace, probe: ProbeRoutes
) -> None:
    made = await platform.key(duka.id)
    asked = {"Origin": "https://example.co.ke", "Access-Control-Request-Method": "GET"}
    async with client(platform.application(FlowRoutes(), probe), made.key) as api:
        schema = await api.get("/v1/voice/schema", headers=asked)
        preflight = await api.options("/v1/voice/schema", headers=asked)
        document = await api.options("/openapi.json", headers=asked)
        mine = await api.get("/v1/me", headers=asked)
        not_mine = await api.options("/v1/me", headers=asked)
    assert schema.headers["access-control-allow-origin"] == "*"
    assert preflight.headers["access-control-allow-methods"] == "GET, HEAD"
    assert "If-None-Match" in preflight.headers["access-control-allow-headers"]
    assert document.headers["access-control-allow-origin"] == "*"
    for closed in (mine, not_mine):
        assert not [name for name in closed.headers if name.startswith("access-control")]


@pytest.mark.parametrize("path", ["/v1/me", "/v1/nowhere", "/openapi.json", "/healthz"])
async def test_every_answer_has_the_security_headers(api: httpx.AsyncClient, path: str) -> None:
    headers = (await api.get(path)).headers
    assert headers["x-content-type-options"] == "nosniff"
    assert headers["x-frame-options"] == "DENY"
    assert headers["content-security-policy"] == "default-src 'none'; frame-ancestors 'none'"
    assert headers["referrer-policy"] == "no-referrer"


@pytest.mark.parametrize("value", ["%00", "a%00b", "x" * 3000, "not-a-uuid", "%ed%a0%80"])
async def test_a_path_that_names_nothing_is_404(api: httpx.AsyncClient, value: str) -> None:
    answer = await api.get(f"/v1/numbers/{value}")
    assert answer.status_code == 404
    assert answer.json()["error"]["code"] in ("request.not_found", "numbers.not_found")


@pytest.mark.parametrize(
    ("query", "pointer"),
    [
        ("limit=1&limit=2", "?limit"),
        ("heavy=null", "?heavy"),
        ("limit=0", "?limit"),
        ("cursor=%ff", "?cursor"),
        ("cursor=%00", "?cursor"),
    ],
)
async def test_a_query_that_cannot_be_meant_is_refused(
    api: httpx.AsyncClient, query: str, pointer: str
) -> None:
    refused = await api.get(f"/v1/things?{query}")
    assert code_of(refused) == (422, "request.invalid")
    assert refused.json()["error"]["fields"][0]["pointer"] == pointer


async def test_a_whole_number_may_be_written_with_a_point(api: httpx.AsyncClient) -> None:
    rolled = await api.post(
        "/v1/things", content=b'{"name":"a","wheels":[]}', headers={"Content-Type": "application/json"}
    )
    assert rolled.status_code == 201
    me = (await api.get("/v1/me")).json()["api_key"]["id"]
    answer = await api.post(
        f"/v1/api-keys/{me}/roll",
        content=b'{"overlap_seconds": 3600.0}',
        headers={"Content-Type": "application/json"},
    )
    assert answer.status_code == 201


async def test_the_document_is_served_in_yaml_as_well(api: httpx.AsyncClient) -> None:
    answer = await api.get("/openapi.public.yaml", headers={"Authorization": ""})
    assert answer.headers["content-type"].startswith("application/yaml")
    assert answer.text.startswith("openapi:")
    assert answer.headers["access-control-allow-origin"] == "*"
