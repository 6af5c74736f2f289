import json

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from flow.flows import valid_actions
from sautikitd.flow import abilities
from sautikitd.flow.abilities import Abilities
from sautikitd.flow.document import Flow, FlowInvalid, FlowProblem, ProblemCode
from sautikitd.flow.reader import MAX_BODY_BYTES, read_actions, read_flow
from sautikitd.flow.schema import flow_schema, normalise
from sautikitd.flow.state import FlowState
from sautikitd.flow.verbs.get_digits import GetDigitsVerb
from sautikitd.flow.verbs.registry import VERBS
from sautikitd.flow.verbs.say import SayVerb


def problems_of(source: object, content_type: str = "application/json") -> list[FlowProblem]:
    result = read_flow(source, content_type)
    assert isinstance(result, FlowInvalid), result
    return list(result.problems)


def problem_of(*actions: object) -> tuple[str, str]:
    (problem,) = problems_of({"actions": list(actions)})
    return problem.code.value, problem.pointer


def flow_of(*actions: object) -> Flow:
    result = read_flow(json.dumps({"actions": actions}).encode())
    assert isinstance(result, Flow), result
    return result


def test_an_empty_flow_is_valid() -> None:
    assert read_flow(b'{"actions": []}') == Flow()


def test_fields_are_camel_case_and_defaults_fill_in() -> None:
    flow = flow_of({"getDigits": {"numDigits": 4, "nested": [{"say": {"text": "PIN?"}}]}}, {"hangup": {}})
    verb = flow.actions[0]
    assert verb == GetDigitsVerb(num_digits=4, nested=(SayVerb(text="PIN?"),))
    assert isinstance(verb, GetDigitsVerb)
    assert (verb.timeout, verb.finish_on_key, verb.retries, verb.sensitive) == (5, "#", 0, False)


@pytest.mark.parametrize(
    ("action", "code", "pointer"),
    [
        ("say", "flow.malformed", "/actions/0"),
        ({}, "flow.malformed", "/actions/0"),
        ({"say": {"text": "a"}, "hangup": {}}, "flow.malformed", "/actions/0"),
        ({"shout": {"text": "a"}}, "flow.verb_unknown", "/actions/0/shout"),
        ({"say": {}}, "flow.field_required", "/actions/0/say/text"),
        ({"say": None}, "flow.field_required", "/actions/0/say/text"),
        ({"say": {"text": None}}, "flow.field_required", "/actions/0/say/text"),
        ({"say": "hello"}, "flow.field_invalid", "/actions/0/say"),
        ({"say": {"text": ""}}, "flow.field_invalid", "/actions/0/say/text"),
        ({"say": {"text": "x" * 4001}}, "flow.field_invalid", "/actions/0/say/text"),
        ({"say": {"text": 5}}, "flow.field_invalid", "/actions/0/say/text"),
        ({"say": {"text": "a", "rate": 9}}, "flow.field_invalid", "/actions/0/say/rate"),
        ({"say": {"text": "a", "voice": 5}}, "flow.field_invalid", "/actions/0/say/voice"),
        ({"say": {"text": "a\x00"}}, "flow.malformed", "/actions/0/say/text"),
        ({"say": {"text": "\ud800"}}, "flow.malformed", "/actions/0/say/text"),
        ({"play": {}}, "flow.field_invalid", "/actions/0/play"),
        ({"play": {"url": "a.mp3", "tone": "busy"}}, "flow.field_invalid", "/actions/0/play"),
        ({"play": {"url": "ftp://example.com/a"}}, "flow.field_invalid", "/actions/0/play/url"),
        ({"play": {"url": "https://u:p@example.com/a"}}, "flow.field_invalid", "/actions/0/play/url"),
        ({"play": {"url": "http://[::1/a"}}, "flow.field_invalid", "/actions/0/play/url"),
        ({"play": {"tone": "boing"}}, "flow.field_invalid", "/actions/0/play/tone"),
        ({"play": {"digits": "12x"}}, "flow.field_invalid", "/actions/0/play/digits"),
        ({"play": {"digits": "12\n"}}, "flow.field_invalid", "/actions/0/play/digits"),
        ({"redirect": {"url": "two words"}}, "flow.field_invalid", "/actions/0/redirect/url"),
        ({"redirect": {"url": "/a", "method": "PUT"}}, "flow.field_invalid", "/actions/0/redirect/method"),
        ({"getDigits": {"timeout": "5"}}, "flow.field_invalid", "/actions/0/getDigits/timeout"),
        ({"getDigits": {"timeout": True}}, "flow.field_invalid", "/actions/0/getDigits/timeout"),
        ({"getDigits": {"finishOnKey": "##x"}}, "flow.field_invalid", "/actions/0/getDigits/finishOnKey"),
        ({"getDigits": {"nested": {}}}, "flow.field_invalid", "/actions/0/getDigits/nested"),
        (
            {"getDigits": {"nested": [{"pause": {}}]}},
            "flow.field_invalid",
            "/actions/0/getDigits/nested/0/pause",
        ),
        (
            {"getDigits": {"nested": [{"say": {"text": "a"}}, {"say": {}}]}},
            "flow.field_required",
            "/actions/0/getDigits/nested/1/say/text",
        ),
        (
            {"record": {"transcribe": True}},
            "flow.transcription_unavailable",
            "/actions/0/record/transcribe",
        ),
        ({"say": {"text": "<speak><p></speak>"}}, "flow.field_invalid", "/actions/0/say/text"),
        ({"play": {"url": "sautikit://uploads/audio/7"}}, "flow.field_invalid", "/actions/0/play/url"),
        ({"record": {"maxLength": 10**30}}, "flow.field_invalid", "/actions/0/record/maxLength"),
        ({"reject": {"reason": "bored"}}, "flow.field_invalid", "/actions/0/reject/reason"),
        ({"a/b~c": {}}, "flow.verb_unknown", "/actions/0/a~1b~0c"),
    ],
)
def test_a_problem_is_named_by_its_exact_place(action: object, code: str, pointer: str) -> None:
    assert problem_of(action) == (code, pointer)


def test_every_problem_is_reported_not_just_the_first() -> None:
    found = problems_of({"actions": [{"say": {}}, {"nope": {}}, {"pause": {"length": "x"}}]})
    assert [problem.pointer for problem in found] == [
        "/actions/0/say/text",
        "/actions/1/nope",
        "/actions/2/pause/length",
    ]


@pytest.mark.parametrize(
    ("written", "meant"),
    [
        ("gather", None),
        ("Say", "say"),
        ("getdigits", "getDigits"),
        ("get_digits", "getDigits"),
        ("hangUp", "hangup"),
    ],
)
def test_a_misspelt_verb_is_answered_with_the_nearest(written: str, meant: str | None) -> None:
    (problem,) = problems_of({"actions": [{written: {}}]})
    assert problem.code is ProblemCode.VERB_UNKNOWN
    assert problem.suggestion == meant


def test_every_verb_of_the_contract_is_known() -> None:
    contract = (
        "say play getDigits dial conference record stream enqueue dequeue transfer redirect answer ring"
    )
    assert {*VERBS} == {*contract.split(), "reject", "hangup", "pause", "stopStream", "leave"}


def test_unknown_attributes_voices_and_languages_are_passed_over_with_a_warning() -> None:
    flow = flow_of(
        {"say": {"text": "a", "voice": "Polly.Joanna", "language": "tlh", "Loop": 2, "colour": "red"}}
    )
    assert flow.actions == (SayVerb(text="a"),)
    assert [(warning.pointer, warning.suggestion) for warning in flow.warnings] == [
        ("/actions/0/say/Loop", "loop"),
        ("/actions/0/say/colour", None),
        ("/actions/0/say/voice", None),
        ("/actions/0/say/language", None),
    ]


def test_engine_voices_are_known_by_their_prefix() -> None:
    assert flow_of({"say": {"text": "a", "voice": "piper:sw_CD-lanfrica-medium"}}).warnings == ()


def test_a_whole_number_may_be_written_with_a_point() -> None:
    assert read_flow(b'{"actions": [{"pause": {"length": 2.0}}]}') == flow_of({"pause": {"length": 2}})
    assert problems_of(b'{"actions": [{"pause": {"length": 2.5}}]}')[0].pointer == "/actions/0/pause/length"


def test_fifty_actions_are_allowed_and_no_more() -> None:
    assert len(flow_of(*[{"pause": {}}] * 50).actions) == 50
    assert problems_of({"actions": [{"pause": {}}] * 51})[0].code is ProblemCode.TOO_MANY_ACTIONS


@pytest.mark.parametrize(
    ("body", "code", "pointer"),
    [
        (b"", "flow.malformed", ""),
        (b"  \n", "flow.malformed", ""),
        (b"{", "flow.malformed", ""),
        (b"OK", "flow.malformed", ""),
        (b"null", "flow.malformed", ""),
        (b"[]", "flow.malformed", ""),
        (b"{}", "flow.field_required", "/actions"),
        (b'{"actions": {}}', "flow.malformed", "/actions"),
        (b'{"actions": null}', "flow.malformed", "/actions"),
        (b'{"actions": [], "actions": []}', "flow.malformed", "/actions"),
        (
            b'{"actions": [{"pause": {"length": 1, "length": 2}}]}',
            "flow.malformed",
            "/actions/0/pause/length",
        ),
        (b'{"actions": [{"pause": {"length": NaN}}]}', "flow.malformed", ""),
        (b'{"actions": [{"pause": {"length": -Infinity}}]}', "flow.malformed", ""),
        (
            b'{"actions": [{"say": {"text": "a", "rate": 1e999}}]}',
            "flow.field_invalid",
            "/actions/0/say/rate",
        ),
        (b'{"actions": [{"pause": {"length": ' + b"9" * 5000 + b"}}]}", "flow.malformed", ""),
        (b'{"actions": "\xff"}', "flow.malformed", ""),
        (b"[" * 100_000, "flow.malformed", ""),
        (b'{"actions":' + b"[" * 40 + b"]" * 40 + b"}", "flow.malformed", "/actions" + "/0" * 16),
        (b" " * MAX_BODY_BYTES + b"{}", "flow.too_large", ""),
        (b"<Response", "flow.malformed", ""),
        (b"<html></html>", "flow.malformed", "/html"),
    ],
)
def test_a_body_that_is_no_flow_is_refused_with_its_reason(body: bytes, code: str, pointer: str) -> None:
    (problem,) = problems_of(body)
    assert (problem.code.value, problem.pointer) == (code, pointer)


@pytest.mark.parametrize("kind", ["text/xml; charset=utf-8", "application/xml", "application/twiml+xml"])
def test_xml_types_are_read_as_xml_without_a_warning(kind: str) -> None:
    assert read_flow(b"<Response/>", kind) == Flow()
    assert problems_of(b"hello", kind)[0].code is ProblemCode.MALFORMED


def test_xml_under_another_type_is_read_with_a_warning() -> None:
    flow = read_flow(b"<Response><Reject/></Response>", "text/html; charset=utf-8")
    assert isinstance(flow, Flow)
    assert flow.warnings[0].reason == "content type text/html; read as application/xml"


@pytest.mark.parametrize("kind", ["application/json; charset=utf-8", "application/vnd.x+json", "TEXT/JSON"])
def test_json_types_are_read_without_a_warning(kind: str) -> None:
    assert read_flow(b'\xef\xbb\xbf{"actions": []}', kind) == Flow()


def test_json_under_another_type_is_read_with_a_warning() -> None:
    flow = read_flow(b'{"actions": []}', "text/html")
    assert isinstance(flow, Flow)
    assert "text/html" in flow.warnings[0].reason


def test_inline_actions_are_read_at_their_place_in_the_larger_body() -> None:
    assert read_actions([{"hangup": {}}]) == flow_of({"hangup": {}})
    invalid = read_actions([{"say": {}}], "/opening_actions")
    assert isinstance(invalid, FlowInvalid)
    assert invalid.problems[0].pointer == "/opening_actions/0/say/text"


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(st.characters()),
    lambda inner: (
        st.lists(inner, max_size=4)
        | st.dictionaries(
            st.sampled_from([*VERBS, "nested", "text", "url", "actions"]) | st.text(), inner, max_size=4
        )
    ),
    max_leaves=20,
)


@given(st.one_of(json_values, json_values.map(lambda value: {"actions": [value]})))
@settings(max_examples=300, deadline=None)
def test_no_json_makes_the_reader_fail(value: object) -> None:
    read_flow(value)
    read_flow(json.dumps(value).encode())


@given(st.binary() | st.text().map(str.encode), st.text())
@settings(max_examples=200, deadline=None)
def test_no_bytes_make_the_reader_fail(body: bytes, content_type: str) -> None:
    read_flow(body, content_type)
    read_flow(b'{"actions": [{"say": ' + body + b"}]}", content_type)


@given(st.lists(valid_actions, max_size=6))
@settings(max_examples=100, deadline=None)
def test_a_normalised_flow_reads_as_the_same_flow(actions: list[object]) -> None:
    flow = flow_of(*actions)
    again = read_flow(json.dumps(normalise(flow)).encode())
    assert again == Flow(actions=flow.actions)


@given(st.lists(valid_actions, max_size=6))
@settings(max_examples=50, deadline=None)
def test_the_state_of_a_flow_survives_storage(actions: list[object]) -> None:
    state = FlowState(flow=flow_of(*actions), position=1, base_url="https://example.com/voice")
    stored = msgspec.json.encode(state)
    restored = msgspec.json.decode(stored, type=FlowState)
    assert restored == state
    assert restored.remaining == state.flow.actions[1:]


def test_normalised_json_leaves_defaults_out() -> None:
    flow = flow_of({"getDigits": {"timeout": 5, "retries": 2, "nested": [{"say": {"text": "a", "loop": 1}}]}})
    assert normalise(flow) == {"actions": [{"getDigits": {"nested": [{"say": {"text": "a"}}], "retries": 2}}]}


def test_the_schema_names_every_verb_and_its_fields() -> None:
    schema = flow_schema()
    json.dumps(schema)
    verbs = [choice["required"][0] for choice in schema["properties"]["actions"]["items"]["oneOf"]]
    assert set(verbs) == set(VERBS)
    digits = schema["$defs"]["GetDigitsVerb"]
    assert "verb" not in digits["properties"]
    assert digits["properties"]["numDigits"] == {"type": "integer", "minimum": 0, "maximum": 64, "default": 0}
    assert len(digits["properties"]["nested"]["items"]["oneOf"]) == 2
    assert schema["$defs"]["SayVerb"]["required"] == ["text"]


def test_ssml_that_is_passed_over_is_a_warning() -> None:
    flow = read_actions([{"say": {"text": '<speak><phoneme ph="a">x</phoneme></speak>'}}])
    assert isinstance(flow, Flow)
    assert [(warning.pointer, "<phoneme>" in warning.reason) for warning in flow.warnings] == [
        ("/actions/0/say/text", True)
    ]


def test_transcription_is_taken_where_the_installation_can() -> None:
    before = abilities.installed()
    abilities.install(Abilities(transcription=True))
    try:
        flow = read_actions([{"record": {"transcribe": True, "transcribeLanguage": "sw-KE"}}])
    finally:
        abilities.install(before)
    assert isinstance(flow, Flow)


def test_an_uploaded_sound_is_a_url_of_a_flow() -> None:
    url = "sautikit://uploads/audio/01935b6e-9d2a-7000-8000-000000000001"
    assert isinstance(read_actions([{"play": {"url": url}}]), Flow)
