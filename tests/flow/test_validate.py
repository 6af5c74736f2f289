from datetime import UTC, datetime
from types import SimpleNamespace
from typing import Any, cast

import msgspec
import pytest

from sautikitd.events.models import Mode
from sautikitd.flow.routes import FlowDocument, FlowRoutes, FlowVerdict
from sautikitd.http.endpoint import ApiRequest


async def verdict_of(mode: Mode = "test", /, **document: object) -> FlowVerdict:
    request: ApiRequest[FlowDocument, None] = ApiRequest(
        connection=cast("Any", None),
        principal=cast("Any", SimpleNamespace(mode=mode)),
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


INSECURE: list[tuple[dict[str, Any], list[str]]] = [
    ({"play": {"url": "http://cdn.example/a.mp3"}}, ["/actions/0/play/url"]),
    (
        {
            "getDigits": {
                "nested": [{"play": {"url": "HTTP://cdn.example/a.mp3"}}],
                "action": "http://app.example/x",
            }
        },
        ["/actions/0/getDigits/nested/0/play/url", "/actions/0/getDigits/action"],
    ),
    (
        {
            "dial": {
                "number": "+254711000001",
                "ringTone": "http://a.example/r.wav",
                "action": "http://a.example/",
            }
        },
        ["/actions/0/dial/action", "/actions/0/dial/ringTone"],
    ),
    ({"stream": {"url": "ws://app.example/talk", "action": "/over"}}, ["/actions/0/stream/url"]),
    ({"conference": {"name": "desk", "waitUrl": "http://app.example/w"}}, ["/actions/0/conference/waitUrl"]),
    ({"redirect": {"url": "https://10.0.0.7/flow"}}, ["/actions/0/redirect/url"]),
]


@pytest.mark.parametrize(("action", "pointers"), INSECURE)
async def test_in_live_mode_urls_are_secure_and_public(action: dict[str, Any], pointers: list[str]) -> None:
    verdict = await verdict_of("live", actions=[action])
    assert sorted(problem.pointer for problem in verdict.problems) == sorted(pointers)
    assert {problem.code for problem in verdict.problems} == {"flow.field_invalid"}


async def test_an_insecure_url_in_xml_is_named_by_its_place() -> None:
    xml = "<Response><Gather action='http://app.example/'><Play>http://cdn.example/a.mp3</Play></Gather></Response>"
    verdict = await verdict_of("live", xml=xml)
    assert [(one.pointer, one.reason) for one in verdict.problems] == [
        ("/Response/Gather[1]/Play[1]/text()", "live mode requires https (line 1)"),
        ("/Response/Gather[1]/@action", "live mode requires https (line 1)"),
    ]
    assert (await verdict_of("test", xml=xml)).valid


async def test_relative_urls_uploads_and_silence_are_good_in_live_mode() -> None:
    actions = [
        {"play": {"url": "/a.mp3"}},
        {"play": {"url": "sautikit://uploads/audio/01890a5d-ac96-774b-bcce-b302099a8057"}},
        {"enqueue": {"name": "desk", "waitUrl": "", "action": "left"}},
        {"stream": {"url": "wss://app.example/talk"}},
    ]
    assert (await verdict_of("live", actions=actions)).valid
