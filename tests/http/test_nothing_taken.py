"""What takes no body, or no query, says so of one that is sent: a wish that is passed over looks like one granted."""

import httpx
import pytest

from sautikitd.api_document import described_endpoints


@pytest.mark.parametrize(
    ("method", "path"),
    [
        *(("GET", "/v1/me?expand=1"), ("POST", "/v1/things?dry=1"), ("DELETE", "/v1/numbers/x?force=1")),
        *(("HEAD", "/v1/me?expand=1"), ("POST", "/v1/nothing?a=&b=")),
    ],
)
async def test_a_query_where_none_is_taken_is_refused(api: httpx.AsyncClient, method: str, path: str) -> None:
    body = {"name": "a"} if path.startswith("/v1/things") else None
    refused = await api.request(method, path, json=body)
    assert refused.status_code == 422
    if method != "HEAD":
        error = refused.json()["error"]
        assert error["code"] == "request.invalid"
        assert error["fields"][0]["problem"] == "unknown parameter; none is taken here"


@pytest.mark.parametrize(("method", "path"), [("POST", "/v1/nothing"), ("DELETE", "/v1/numbers/x")])
async def test_a_body_where_none_is_taken_is_refused(api: httpx.AsyncClient, method: str, path: str) -> None:
    as_json, as_form = (
        {"Content-Type": "application/json"},
        {"Content-Type": "application/x-www-form-urlencoded"},
    )
    for content, headers, code in (
        (b'{"force": true}', as_json, "request.invalid"),
        (b"[]", as_json, "request.invalid"),
        (b"{", as_json, "request.malformed_json"),
        (b"force=1", as_form, "request.unsupported_media_type"),
    ):
        refused = await api.request(method, path, content=content, headers=headers)
        assert refused.json()["error"]["code"] == code


async def test_an_empty_body_asks_for_nothing(api: httpx.AsyncClient) -> None:
    assert (await api.post("/v1/nothing", json={})).status_code == 204
    form = {"Content-Type": "application/x-www-form-urlencoded"}  # what curl -d '' sends
    assert (await api.post("/v1/nothing", content=b"", headers=form)).status_code == 204


def test_every_operation_of_the_document_reads_what_it_is_sent() -> None:
    for one in described_endpoints():
        if one.documented:
            assert one.read_query is not None
            assert one.read_body is not None or one.method == "GET" or one.takes_files
