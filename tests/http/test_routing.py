import pytest

from sautikitd.http.routing import Router


@pytest.fixture
def router() -> Router[str]:
    made: Router[str] = Router()
    for path in (
        "/v1/calls",
        "/v1/calls/{call_id}",
        "/v1/calls/stats",
        "/v1/calls/{call_id}/recordings/{recording_id}",
        "/v1/{anything}/search",
    ):
        made.add(path, path)
    return made


@pytest.mark.parametrize(
    ("path", "found", "values"),
    [
        ("/v1/calls", "/v1/calls", {}),
        ("/v1/calls/", "/v1/calls", {}),
        ("/v1/calls/stats", "/v1/calls/stats", {}),
        ("/v1/calls/HD_1", "/v1/calls/{call_id}", {"call_id": "HD_1"}),
        (
            "/v1/calls/1/recordings/2",
            "/v1/calls/{call_id}/recordings/{recording_id}",
            {"call_id": "1", "recording_id": "2"},
        ),
        ("/v1/numbers/search", "/v1/{anything}/search", {"anything": "numbers"}),
        ("/v1/calls/search", "/v1/calls/{call_id}", {"call_id": "search"}),
    ],
)
def test_an_address_leads_to_its_resource(
    router: Router[str], path: str, found: str, values: dict[str, str]
) -> None:
    assert router.find(path) == (found, values)


@pytest.mark.parametrize(
    "path",
    [
        "",
        "/",
        "/v1",
        "/v1/call",
        "/v1/calls//recordings/2",
        "/v1/calls/1/2",
        "/v1//search",
        "//v1/calls",
        "/v1/calls//",
    ],
)
def test_anything_else_leads_nowhere(router: Router[str], path: str) -> None:
    assert router.find(path) is None


def test_one_address_has_one_resource(router: Router[str]) -> None:
    with pytest.raises(ValueError, match="there already"):
        router.add("/v1/calls/{id}", "another")
