import codecs
import json

import pytest

from sautikitd.flow.document import Flow, FlowInvalid
from sautikitd.flow.reader import read_flow
from sautikitd.flow.schema import normalise
from sautikitd.flow.xml.element import Dialect
from sautikitd.flow.xml.reader import read_xml
from sautikitd.flow.xml.tables import TABLES
from sautikitd.flow.xml.translate import Translator
from sautikitd.flow.xml.tree import parse_xml


def flow_of(inside: str, dialect: Dialect | None = None) -> Flow:
    flow = read_xml(f"<Response>{inside}</Response>".encode(), dialect=dialect)
    assert isinstance(flow, Flow), flow
    return flow


def actions_of(inside: str, dialect: Dialect | None = None) -> object:
    return normalise(flow_of(inside, dialect))["actions"]


def drafted(inside: str, dialect: Dialect = Dialect.TWILIO) -> list[dict[str, object]]:
    """The actions before their verbs have read them, so that they need not be in this version."""
    translator = Translator(TABLES[dialect])
    drafts = translator.response(parse_xml(f"<Response>{inside}</Response>".encode()))
    assert translator.problems == []
    return [draft.action() for draft in drafts]


def problems_of(body: str | bytes, dialect: Dialect | None = None) -> list[tuple[str, str, str]]:
    flow = read_xml(body.encode() if isinstance(body, str) else body, dialect=dialect)
    assert isinstance(flow, FlowInvalid), flow
    return [(problem.code.value, problem.pointer, problem.reason) for problem in flow.problems]


def test_a_menu_in_twiml_becomes_the_verbs_it_means() -> None:
    body = """<?xml version="1.0" encoding="UTF-8"?>
    <Response>
        <Gather numDigits="1" action="/menu?x=1&amp;y=2" method="GET" timeout="7">
            <Say voice="alice" language="en-GB" loop="2">For sales,
                press 1.</Say>
            <Play>https://example.com/or.mp3</Play>
        </Gather>
        <Say>Goodbye.</Say>
        <Redirect method="GET">/again</Redirect>
    </Response>"""
    flow = read_xml(body.encode())
    assert isinstance(flow, Flow)
    assert flow.warnings == ()
    assert normalise(flow)["actions"] == [
        {
            "getDigits": {
                "numDigits": 1,
                "action": "/menu?x=1&y=2",
                "method": "GET",
                "timeout": 7,
                "nested": [
                    {
                        "say": {
                            "text": "For sales, press 1.",
                            "voice": "alice",
                            "language": "en-GB",
                            "loop": 2,
                        }
                    },
                    {"play": {"url": "https://example.com/or.mp3"}},
                ],
            }
        },
        {"say": {"text": "Goodbye.", "voice": "man", "language": "en-US"}},
        {"redirect": {"url": "/again", "method": "GET"}},
    ]


def test_a_menu_in_africas_talkings_xml_becomes_the_verbs_it_means() -> None:
    inside = """<GetDigits timeout="20" finishOnKey="#" callbackUrl="https://example.com/digits">
        <Say voice="man" playBeep="true">Enter your account number.</Say></GetDigits>
        <Say>We did not get it.</Say><Play url="/bye.mp3"/>"""
    assert actions_of(inside) == [
        {
            "getDigits": {
                "timeout": 20,
                "action": "https://example.com/digits",
                "nested": [
                    {"say": {"text": "Enter your account number.", "voice": "man"}},
                    {"play": {"tone": "beep"}},
                ],
            }
        },
        {"say": {"text": "We did not get it."}},
        {"play": {"url": "/bye.mp3"}},
    ]


def test_a_partial_recording_says_its_prompt_first_and_reports_to_this_document() -> None:
    inside = """<Record finishOnKey="#" maxLength="10" trimSilence="true" playBeep="true">
        <Say>Tell us your name.</Say></Record>"""
    assert actions_of(inside, Dialect.AFRICASTALKING) == [
        {"say": {"text": "Tell us your name."}},
        {"record": {"action": "#", "timeout": 3600, "maxLength": 10, "trimSilence": True}},
    ]


def test_a_terminal_recording_reports_to_nobody_and_goes_on_to_the_end() -> None:
    assert actions_of("<Record/>", Dialect.AFRICASTALKING) == [
        {"record": {"timeout": 3600, "maxLength": 14400, "finishOnKey": "", "beep": False}}
    ]


def test_a_recording_in_twiml_has_twilios_defaults() -> None:
    assert actions_of("<Record/>", Dialect.TWILIO) == [
        {"record": {"action": "#", "finishOnKey": "1234567890*#", "trimSilence": True}}
    ]


@pytest.mark.parametrize(
    ("inside", "action"),
    [
        ("<Dial>+254711000001</Dial>", {"number": "+254711000001"}),
        ("<Dial><Number> +254711000001 </Number></Dial>", {"number": "+254711000001"}),
        ("<Dial><Number>+1</Number><Number>+2</Number></Dial>", {"numbers": ["+1", "+2"]}),
        ("<Dial><Sip>sip:a@example.com</Sip></Dial>", {"sip": "sip:a@example.com"}),
        ("<Dial><Client>jane</Client></Dial>", {"client": "jane"}),
        ("<Dial><Client><Identity>jane</Identity></Client></Dial>", {"client": "jane"}),
        (
            "<Dial><Number>+1</Number><Client>jane</Client><Sip>a@b.example</Sip></Dial>",
            {"numbers": ["+1", "client:jane", "sip:a@b.example"]},
        ),
        ("<Dial><Sip>sip:a@b</Sip><Sip>sips:c@d</Sip></Dial>", {"numbers": ["sip:a@b", "sips:c@d"]}),
    ],
)
def test_dial_rings_whom_it_names(inside: str, action: dict[str, object]) -> None:
    twilio = {"answerOnBridge": False, "timeout": 30, "maxDuration": 14400}
    assert drafted(inside) == [{"dial": twilio | action}]


@pytest.mark.parametrize(
    ("numbers", "action"),
    [
        ("+254711000001", {"number": "+254711000001"}),
        ("+254711000001, +254722000002", {"numbers": ["+254711000001", "+254722000002"]}),
        ("agent@ke.sip.example.com", {"sip": "sip:agent@ke.sip.example.com"}),
        ("jane", {"client": "jane"}),
        (
            "+254711000001,agent1.user@ke.sip.example.com",
            {"numbers": ["+254711000001", "sip:agent1.user@ke.sip.example.com"]},
        ),
    ],
)
def test_phone_numbers_of_africas_talking_may_be_sip_addresses_and_clients(
    numbers: str, action: dict[str, object]
) -> None:
    inside = f'<Dial phoneNumbers="{numbers}" record="true" ringBackTone="/r.mp3"/>'
    assert drafted(inside, Dialect.AFRICASTALKING) == [
        {"dial": {"record": True, "ringTone": "/r.mp3"} | action}
    ]


@pytest.mark.parametrize(
    "inside",
    [
        "<Dial><Number>+1</Number><Conference>x</Conference></Dial>",
        "<Dial><Conference>x</Conference><Number>+1</Number></Dial>",
        "<Dial><Number/></Dial>",
        "<Dial/>",
        "<Connect/>",
        "<Refer/>",
    ],
)
def test_a_dial_that_no_verb_can_say_is_refused(inside: str) -> None:
    assert problems_of(f"<Response>{inside}</Response>", Dialect.TWILIO)


def test_a_conference_in_dial_becomes_the_verb_with_its_own_fields() -> None:
    call = "CA" + "0" * 31 + "1"
    inside = f"""<Dial action="/x"><Conference beep="onEnter" startConferenceOnEnter="false" coach="{call}"
        statusCallbackEvent="start end" statusCallback="/events" record="record-from-start">room</Conference></Dial>"""
    assert drafted(inside) == [
        {
            "conference": {
                "name": "room",
                "beep": "onEnter",
                "startOnEnter": "false",
                "coach": "00000000-0000-0000-0000-000000000001",
                "statusEvents": ["start", "end"],
                "statusEventsCallbackUrl": "/events",
                "statusEventsFormat": "twilio",
                "record": True,
                "action": "/x",
            }
        }
    ]


def test_what_dial_says_besides_a_conference_is_passed_over_with_warnings() -> None:
    translator = Translator(TABLES[Dialect.TWILIO])
    body = "<Response><Dial timeLimit='9'>+254711000001<Conference>room</Conference></Dial></Response>"
    (draft,) = translator.response(parse_xml(body.encode()))
    fields = {"name": "room", "beep": True, "statusEventsFormat": "twilio"}
    assert draft.action() == {"conference": fields}
    assert [warning.pointer for warning in translator.warnings] == [
        "/Response/Dial[1]/@timeLimit",
        "/Response/Dial[1]/text()",
    ]


def test_streams_speak_twilios_protocol_and_wait_only_when_connected() -> None:
    stream = '<Stream url="wss://a.example/s" name="n"><Parameter name="k" value="v"/></Stream>'
    fields = {
        "protocol": "twilio",
        "url": "wss://a.example/s",
        "name": "n",
        "track": "inbound_track",
        "openMetadata": {"k": "v"},
    }
    assert drafted(f"<Connect>{stream}</Connect><Start>{stream}</Start>") == [
        {"stream": fields | {"connect": True}},
        {"stream": fields | {"connect": False}},
    ]
    assert drafted(f"<Connect action='/after' method='GET'>{stream}</Connect>") == [
        {"stream": fields | {"connect": True, "action": "/after", "method": "GET"}},
    ]
    assert drafted("<Stop><Stream name='n'/></Stop>") == [{"stopStream": {"name": "n"}}]


@pytest.mark.parametrize("dialect", list(Dialect))
def test_a_stream_directly_in_the_response_is_our_own(dialect: Dialect) -> None:
    stream = (
        '<Stream url="wss://a.example/s" track="both_tracks" connect="false" outputSamplingRate="16000" '
        'statusEvents="stream-started stream-error" openMetadata=\'{"customer": 7}\'/>'
    )
    assert actions_of(stream, dialect) == [
        {
            "stream": {
                "url": "wss://a.example/s",
                "track": "both_tracks",
                "connect": False,
                "outputSamplingRate": 16000,
                "statusEvents": "stream-started stream-error",
                "openMetadata": '{"customer": 7}',
            }
        }
    ]


def test_queues_and_transfers_have_their_verbs() -> None:
    twiml = (
        "<Enqueue waitUrl='/w' maxQueueSize='5'>support</Enqueue>"
        "<Dial action='/after' timeout='9'><Queue>support</Queue></Dial>"
        "<Refer><Sip>sip:a@b</Sip></Refer>"
    )
    assert drafted(twiml) == [
        {"enqueue": {"name": "support", "waitUrl": "/w", "maxSize": "5"}},
        {"dequeue": {"name": "support", "action": "/after", "maxWait": "9"}},
        {"transfer": {"to": "sip:a@b", "mode": "blind"}},
    ]
    theirs = "<Enqueue holdMusic='/h.mp3' name='s'/><Dequeue phoneNumber='+254711000001'/><Conference/>"
    assert drafted(theirs, Dialect.AFRICASTALKING) == [
        {"enqueue": {"name": "s", "waitUrl": "/h.mp3"}},
        {"dequeue": {"name": "default"}},
        {"conference": {"name": "default"}},
    ]


def test_ssml_in_say_becomes_an_ssml_text() -> None:
    inside = '<Say>Wait <break time="1s"/> and <amazon:effect name="x">go &amp; see</amazon:effect></Say>'
    assert actions_of(inside, Dialect.AFRICASTALKING) == [
        {"say": {"text": '<speak>Wait <break time="1s"></break> and go &amp; see</speak>'}}
    ]
    assert actions_of("<Say><speak>One <s>two</s></speak></Say>", Dialect.AFRICASTALKING) == [
        {"say": {"text": "<speak>One <s>two</s></speak>"}}
    ]


@pytest.mark.parametrize(
    ("body", "code", "pointer", "reason"),
    [
        ("<Response>\n<Shout/></Response>", "verb_unknown", "/Response/Shout[1]", "unknown element <Shout>"),
        ("<Response><Say/></Response>", "field_required", "/Response/Say[1]", "text is required"),
        (
            "<Response><Say>a</Say>\n\n<Say loop='x'>b</Say></Response>",
            "field_invalid",
            "/Response/Say[2]/@loop",
            "(line 3)",
        ),
        (
            "<Response><Gather><Say>a</Say><Play loop='-1'>/b</Play></Gather></Response>",
            "field_invalid",
            "/Response/Gather[1]/Play[1]/@loop",
            "(line 1)",
        ),
        ("<Response><Play>two words</Play></Response>", "field_invalid", "/Response/Play[1]/text()", "space"),
        ("<Response><Gather><Dial/></Gather></Response>", "verb_unknown", "/Response/Gather[1]/Dial[1]", ""),
        (
            "<Response><Gather input='speech'/></Response>",
            "field_invalid",
            "/Response/Gather[1]/@input",
            "speech is not recognised",
        ),
        ("<Response><Say><b>a</b></Say></Response>", "verb_unknown", "/Response/Say[1]/b[1]", "<b> may not"),
        (
            "<Response><Redirect/></Response>",
            "field_required",
            "/Response/Redirect[1]",
            "url is required",
        ),
        (
            "<Response><Reject reason='bored'/></Response>",
            "field_invalid",
            "/Response/Reject[1]/@reason",
            "must be one of rejected, busy",
        ),
        (
            "<Response><Gather/><GetDigits/></Response>",
            "verb_unknown",
            "/Response/GetDigits[1]",
            "africastalking",
        ),
        ("<response/>", "malformed", "/response", "must be Response; found response"),
        ("<Response>" + "<Pause/>" * 51 + "</Response>", "too_many_actions", "/Response", "51 actions"),
    ],
)
def test_a_problem_is_named_by_its_place_in_the_document(
    body: str, code: str, pointer: str, reason: str
) -> None:
    ((found_code, found_pointer, found_reason),) = problems_of(body)
    assert (found_code, found_pointer) == (f"flow.{code}", pointer)
    assert reason in found_reason


def test_every_problem_is_reported_in_the_order_of_the_document() -> None:
    found = problems_of("<Response>\n<Say loop='x'>a</Say>\n<What/>\n<Pause length='y'/>\n</Response>")
    assert [pointer for _, pointer, _ in found] == [
        "/Response/Say[1]/@loop",
        "/Response/What[1]",
        "/Response/Pause[1]/@length",
    ]


def test_a_misspelt_element_is_answered_with_the_nearest() -> None:
    flow = read_xml(b"<Response><say>a</say></Response>")
    assert isinstance(flow, FlowInvalid)
    assert flow.problems[0].suggestion == "Say"


def test_unknown_attributes_voices_and_stray_text_are_passed_over_with_warnings() -> None:
    inside = """hello<Say voice="Polly.Joanna" Loop="2" xmlns:x="y" xml:lang="en">a</Say>
        <Record recordingConfigurationId="r" transcribe="false"/><Hangup>now</Hangup>"""
    flow = flow_of(inside, Dialect.TWILIO)
    assert [warning.pointer for warning in flow.warnings] == [
        "/Response/text()",
        "/Response/Say[1]/@Loop",
        "/Response/Say[1]/@voice",
        "/Response/Record[1]/@recordingConfigurationId",
        "/Response/Hangup[1]/text()",
    ]
    assert flow.warnings[1].suggestion == "loop"
    assert "unknown voice 'Polly.Joanna'" in flow.warnings[2].reason
    assert "(line 2)" in flow.warnings[3].reason


@pytest.mark.parametrize(
    ("body", "kind"),
    [
        (codecs.BOM_UTF8 + "<Response><Say>Habari yako — ü</Say></Response>".encode(), "text/xml"),
        ("<Response><Say>Habari yako — ü</Say></Response>".encode("utf-16"), "text/xml"),
        ("\n \n<?xml version='1.0'?><Response><Say>Habari yako — ü</Say></Response>".encode(), ""),
        ("<Response><Say>Habari yako — ü</Say></Response>".encode(), "text/xml; charset=UTF-8"),
        ("<Response><Say>Habari<![CDATA[ yako — ü]]></Say></Response>".encode(), "text/xml"),
    ],
)
def test_encodings_byte_order_marks_and_empty_first_lines_are_read(body: bytes, kind: str) -> None:
    flow = read_flow(body, kind or "text/html")
    assert isinstance(flow, Flow), flow
    assert normalise(flow)["actions"][0]["say"]["text"] == "Habari yako — ü"


def test_the_charset_of_the_content_type_wins_over_the_documents_own() -> None:
    body = "<?xml version='1.0' encoding='UTF-8'?><Response><Say>ü</Say></Response>".encode("latin-1")
    flow = read_flow(body, 'text/xml; charset="ISO-8859-1"')
    assert isinstance(flow, Flow)
    assert normalise(flow)["actions"][0]["say"]["text"] == "ü"


def test_json_and_xml_of_the_same_flow_are_equal() -> None:
    xml = read_flow(b"<Response><Pause length='2'/><Hangup/></Response>", "text/xml")
    assert xml == read_flow(json.dumps({"actions": [{"pause": {"length": 2}}, {"hangup": {}}]}).encode())
