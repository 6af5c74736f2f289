import base64
from uuid import uuid4

import httpx
import pytest

from sautikitd.http.pagination import encode_cursor


async def _cursor(api: httpx.AsyncClient) -> str:
    for name in ("a", "b"):
        await api.post("/v1/api-keys", json={"name": name, "scopes": ["calls.read"]})
    page = await api.get("/v1/api-keys", params={"limit": 1})
    cursor: str = page.json()["next_cursor"]
    return cursor


async def test_pages_one_by_one_are_the_whole_list(api: httpx.AsyncClient) -> None:
    await _cursor(api)
    whole = (await api.get("/v1/api-keys")).json()["data"]
    seen: list[object] = []
    cursor: str | None = ""
    while cursor is not None:
        page = (await api.get("/v1/api-keys", params={"limit": 1, "cursor": cursor})).json()
        seen += page["data"]
        cursor = page["next_cursor"]
    assert seen == whole
    assert len(seen) == 3


@pytest.mark.parametrize("path", ["/v1/numbers", "/v1/numbers/available", "/v1/audit-log"])
async def test_a_cursor_of_another_list_is_refused(api: httpx.AsyncClient, path: str) -> None:
    refused = await api.get(path, params={"cursor": await _cursor(api)})
    assert (refused.status_code, refused.json()["error"]["code"]) == (422, "request.invalid_cursor")
    assert refused.json()["error"]["fields"][0]["pointer"] == "?cursor"


async def test_what_was_never_a_cursor_is_refused(api: httpx.AsyncClient) -> None:
    right = await _cursor(api)
    older = base64.urlsafe_b64encode(b"\x01" + uuid4().bytes).decode().rstrip("=")
    for wrong in (right[:-1], right + "=", right + right, older, encode_cursor(uuid4()), "a", "\u00e9", "%"):
        refused = await api.get("/v1/api-keys", params={"cursor": wrong})
        assert (refused.status_code, refused.json()["error"]["code"]) == (422, "request.invalid_cursor")
