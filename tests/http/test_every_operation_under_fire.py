"""schemathesis against the whole API on a real socket: examples, boundaries, random data, chains of links."""

from pathlib import Path

import httpx
import pytest

from live_api import LiveApi, live_api
from schema_findings import findings_of


@pytest.mark.slow
@pytest.mark.timeout(1200)  # a hundred operations, each in a hundred forms
def test_nothing_that_the_document_allows_or_forbids_surprises_the_api(
    tmp_path: Path, database_url: str
) -> None:
    with live_api(tmp_path, database_url, {"SAUTIKIT_RATE_LIMIT": "100000/100000"}) as api:
        _furnish(api)
        found = findings_of(api, examples=3)
    assert not found.failures, "\n".join(found.failures)
    assert found.phases >= {"examples", "coverage", "fuzzing", "stateful"}
    assert found.statuses[200] > 100, found.statuses
    assert not any(status >= 500 for status in found.statuses)


def _furnish(api: LiveApi) -> None:
    """Things for reads and links to find: a number, calls, a webhook, events, deliveries."""
    wanted = [
        ("/v1/numbers/claim", {"e164": "+254200000001", "voice_callback_url": "https://example.co.ke/voice"}),
        ("/v1/webhooks", {"url": "https://example.co.ke/hook"}),
        (
            "/v1/calls",
            {"from": "+254200000001", "to": "+254712340001", "actions": [{"say": {"text": "Habari"}}]},
        ),
        ("/v1/test/calls", {"to": "+254200000001"}),
        ("/v1/topups", {"amount_minor": 1000, "phone_e164": "+254712345678"}),
    ]
    with httpx.Client(base_url=api.url, headers={"Authorization": f"Bearer {api.key}"}) as client:
        for path, body in wanted:
            answer = client.post(path, json=body)
            assert answer.status_code == 201, answer.text
