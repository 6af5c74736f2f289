import httpx
from openapi_spec_validator import OpenAPIV31SpecValidator


async def test_it_is_valid_and_open_to_browsers(api: httpx.AsyncClient) -> None:
    answer = await api.get("/openapi.json", headers={"Authorization": ""})
    OpenAPIV31SpecValidator(answer.json()).validate()
    assert answer.headers["access-control-allow-origin"] == "*"


async def test_older_spellings_are_marked_deprecated(api: httpx.AsyncClient) -> None:
    schemas = (await api.get("/openapi.json")).json()["components"]["schemas"]
    assert schemas["ClaimNumber"]["properties"]["number"]["deprecated"] is True
    assert "deprecated" not in schemas["ClaimNumber"]["properties"]["e164"]


async def test_a_second_address_of_an_operation_has_a_name_of_its_own(api: httpx.AsyncClient) -> None:
    paths = (await api.get("/openapi.json")).json()["paths"]
    names = [paths[path]["post"]["operationId"] for path in ("/v1/nothing", "/v1/nil")]
    assert names == ["probe_nothing", "probe_nothing_at_nil"]


async def test_every_operation_tells_its_scope_and_refusals(api: httpx.AsyncClient) -> None:
    claim = (await api.get("/openapi.json")).json()["paths"]["/v1/numbers/claim"]["post"]
    assert claim["x-scope"] == "numbers.write"
    assert {"201", "400", "401", "402", "403", "404", "409", "413", "415", "422", "429"} <= set(
        claim["responses"]
    )
    assert "wallet.insufficient_funds" in claim["responses"]["402"]["description"]
    assert [parameter["name"] for parameter in claim["parameters"]] == ["X-Request-Id", "Idempotency-Key"]


async def test_health_and_readiness_and_metrics_answer_without_a_key(api: httpx.AsyncClient) -> None:
    keyless = {"Authorization": ""}
    assert (await api.get("/healthz", headers=keyless)).json() == {"status": "ok"}
    assert (await api.get("/readyz", headers=keyless)).json()["checks"] == {"database": "ok"}
    metrics = await api.get("/metrics", headers=keyless)
    assert "sautikit_http_requests_total" in metrics.text
    assert metrics.headers["content-type"].count("charset") == 1
