"""Where the `docs_url` of a refusal leads."""

import re

import httpx

from sautikitd.api_document import api_document
from sautikitd.http.error_pages import ErrorPages


async def test_the_docs_url_of_a_refusal_leads_to_a_page_that_repeats_what_was_said(
    api: httpx.AsyncClient,
) -> None:
    refusal = (await api.get("/v1/nowhere")).json()["error"]
    answer = await api.get(refusal["docs_url"], headers={"Accept": "text/html", "Authorization": ""})
    assert answer.status_code == 200
    assert answer.headers["content-type"] == "text/html; charset=utf-8"
    assert refusal["code"] in answer.text
    assert "HTTP 404" in answer.text
    assert refusal["message"].partition(".")[0] in answer.text


async def test_a_page_may_be_kept_and_asked_about_again(api: httpx.AsyncClient) -> None:
    first = await api.get("/developers/errors/rate_limited")
    again = await api.get("/developers/errors/rate_limited", headers={"If-None-Match": first.headers["etag"]})
    assert again.status_code == 304
    assert (await api.head("/developers/errors")).status_code == 200


async def test_a_code_that_is_none_is_answered_with_those_there_are(api: httpx.AsyncClient) -> None:
    answer = await api.get("/developers/errors/<b>wallet")
    assert answer.status_code == 404
    assert "There is no such error code" in answer.text
    assert "<b>" not in answer.text
    assert "/developers/errors/wallet.insufficient_funds" in answer.text


def test_every_code_has_its_page_and_is_on_the_list() -> None:
    document = api_document()
    pages = ErrorPages(document)
    index = pages.index().decode()
    for code, told in document["x-error-codes"].items():
        page = (pages.page(code) or b"").decode()
        assert f'<h1 class="code">{code}</h1>' in page
        assert f"HTTP {told['status']}" in page
        said = re.findall("<blockquote>(.*?)</blockquote>", page)
        assert len(said) == len(told["messages"])
        prose = re.sub("<code>.*?</code>", "", "".join(said))
        assert not re.search(r"[{`}]", prose), "a place that was not marked"
        assert f'href="/developers/errors/{code}"' in index


def test_a_page_names_the_operations_that_answer_with_its_code() -> None:
    page = (ErrorPages(api_document()).page("topups.too_soon") or b"").decode()
    assert "POST /v1/topups" in page
