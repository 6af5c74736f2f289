from datetime import UTC, datetime
from typing import Any, cast

import msgspec
import pytest

from sautikitd.flow.routes import FlowDocument, FlowRoutes, FlowVerdict
from sautikitd.http.endpoint import ApiRequest


async def verdict_of(**document: object) -> FlowVerdict:
    request: ApiRequest[FlowDocument, None] = ApiRequest(
        connection=cast("Any", None),
        principal=cast("Any", None),
        body=msgspec.convert(document, FlowDocument),
        query=None,
        path={},
        headers={},
        request_id="r",
        source_address="127.0.0.1",
        now=datetime.now(UTC),
    )
    answer = await FlowRoutes().validate(request)
    assert isinstance(answer.body, FlowVerdict)
    return answer.body


async def test_an_xml_reply_is_checked_and_normalised_like_a_json_one() -> None:
    verdict = await verdict_of(
        xml="<Response><Say Voice='man'>Jambo</Say></Response>", dialect="africastalking"
    )
    assert verdict.valid
    assert verdict.flow == {"actions": [{"say": {"text": "Jambo"}}]}
    assert [(warning.pointer, warning.suggestion) for warning in verdict.warnings] == [
        ("/Response/Say[1]/@Voice", "voice")
    ]
    assert verdict == await verdict_of(
        xml="<?xml version='1.0' encoding='ISO-8859-1'?><Response><Say Voice='man'>Jambo</Say></Response>",
        dialect="africastalking",
    )


@pytest.mark.parametrize(
    ("document", "pointer"),
    [
        ({}, "/actions"),
        ({"actions": None}, "/actions"),
        ({"actions": [], "xml": "<Response/>"}, "/xml"),
        ({"actions": [{"say": {}}]}, "/actions/0/say/text"),
        ({"xml": "<Response><Say/></Response>"}, "/Response/Say[1]"),
        ({"xml": "\ud800"}, ""),
    ],
)
async def test_what_is_wrong_is_named_by_its_place(document: dict[str, object], pointer: str) -> None:
    verdict = await verdict_of(**document)
    assert not verdict.valid
    assert verdict.flow is None
    assert verdict.problems[0].pointer == pointer


@pytest.mark.parametrize(
    ("document", "pointer"),
    [
        ({"actions": [{"say": {"text": "a", "voce": "man"}}, {"dail": {}}]}, "/actions/0/say/voce"),
        ({"xml": "<Response><Say voce='man'>a</Say><Sms/></Response>"}, "/Response/Say[1]/@voce"),
    ],
)
async def test_an_invalid_flow_is_told_too_what_would_be_passed_over(
    document: dict[str, object], pointer: str
) -> None:
    verdict = await verdict_of(**document)
    assert not verdict.valid
    assert [warning.pointer for warning in verdict.warnings] == [pointer]
