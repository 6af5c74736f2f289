"""Random flows of all verbs: JSON by the verbs' own fields, XML by the tables of both dialects."""

from collections.abc import Mapping
from typing import Any
from xml.sax.saxutils import escape, quoteattr

import msgspec
from hypothesis import strategies as st
from hypothesis.strategies import DrawFn, SearchStrategy

from sautikitd.flow.verbs.registry import VERBS
from sautikitd.flow.xml.element import Dialect, Element
from sautikitd.flow.xml.tables import TABLES

URLS = ["/voice", "/menu?at=main", "https://unreachable.invalid/x"]
SOUNDS = ["/prompt.wav", "https://example.com/a.mp3"]
TEXTS = ["Habari.", "KES 1,250.50", "<speak>One <break time='1s'/> two</speak>"]
NAMES = ["main", "sales desk"]
NUMBERS = ["+254712000001", "0712000002"]
BOOLEANS = [True, False]
SMALL = [1, 2, 10]

_POOLS: dict[str, list[Any]] = {
    "text": TEXTS, "voice": ["woman", "man", "espeak:m3"], "language": ["en-KE", "sw-KE"], "rate": [0.5, 1.5],
    "loop": [0, 1, 3], "digits": ["12w#"], "tone": ["busy", "beep", "ringback"], "url": URLS, "action": URLS,
    "method": ["POST", "GET"], "numDigits": [0, 1, 4], "timeout": SMALL, "finishOnKey": ["#", "", "*#"],
    "retries": [0, 2], "sensitive": BOOLEANS, "number": NUMBERS, "numbers": [NUMBERS], "sip": ["sip:asha@127.0.0.1"],
    "client": ["asha"], "callerId": NUMBERS, "sequential": BOOLEANS, "answerOnBridge": BOOLEANS,
    "record": BOOLEANS, "maxDuration": [1, 60], "ringTone": SOUNDS, "name": NAMES, "maxParticipants": [0, 2],
    "beep": BOOLEANS, "muted": BOOLEANS, "startOnEnter": BOOLEANS, "endOnExit": BOOLEANS,
    "waitUrl": [*URLS, *SOUNDS, ""], "waitMethod": ["GET", "POST"], "statusEvents": ["start end", "join leave bogus"],
    "statusEventsCallbackUrl": URLS, "collectDigits": BOOLEANS, "digitsCallbackUrl": URLS, "coach": ["HD_0a8d5911d055"],
    "maxLength": SMALL, "trimSilence": BOOLEANS, "transcribe": [False], "transcribeCallback": URLS,
    "transcribeLanguage": ["sw"], "protocol": ["drachtio", "twilio"], "connect": BOOLEANS,
    "track": ["inbound_track", "outbound_track", "both_tracks"], "outputSamplingRate": [8000, 16000],
    "bidirectionalSamplingRate": [8000, 16000], "headerMetadata": [{"X-Shop": "duka"}], "openMetadata": [{"a": 1}],
    "statusCallback": URLS, "maxSize": SMALL, "maxWait": SMALL, "to": ["+254712000001", "client:asha"],
    "mode": ["blind", "attended"], "holdUrl": SOUNDS, "length": [1, 2], "reason": ["busy", "rejected"],
    "recordingStatusCallback": URLS, "statusEventsFormat": ["sautikit", "twilio"],
}  # fmt: skip
_OF_VERB: dict[tuple[str, str], list[Any]] = {
    ("stream", "url"): ["ws://127.0.0.1:9/talk"],
    ("stream", "statusEvents"): ["stream-started stream-error"],
    ("play", "url"): SOUNDS,
    ("dial", "record"): [True, False, "record-from-answer", "record-from-ringing"],
    ("conference", "beep"): [True, False, "onEnter", "onExit"],
}
_PROMPTS = st.lists(
    st.sampled_from([{"say": {"text": "Habari."}}, {"play": {"tone": "beep"}}, {"play": {"url": "/a.wav"}}]),
    max_size=3,
)
_ONE_OF = {"play": ("url", "digits", "tone"), "dial": ("number", "numbers", "sip", "client")}
_JUNK: SearchStrategy[Any] = st.one_of(
    st.none(), st.booleans(), st.integers(), st.floats(allow_nan=False), st.text(max_size=20),
    st.lists(st.integers(), max_size=2), st.dictionaries(st.text(max_size=3), st.integers(), max_size=2),
)  # fmt: skip


def fields_of(verb: str) -> dict[str, bool]:
    """The fields of a verb by their JSON names, and whether each is required."""
    return {field.encode_name: field.required for field in msgspec.structs.fields(VERBS[verb])}


def _value(verb: str, field: str) -> SearchStrategy[Any]:
    if field in VERBS[verb].nested_verbs:
        return _PROMPTS
    return st.sampled_from(_OF_VERB.get((verb, field), _POOLS[field]))


@st.composite
def actions(draw: DrawFn, verb: str = "") -> dict[str, Any]:
    """One valid action with any of its fields, of `verb` or of any."""
    verb = verb or draw(st.sampled_from(sorted(VERBS)))
    choice = _ONE_OF.get(verb, ())
    wanted = [
        name
        for name, required in fields_of(verb).items()
        if required or (name not in choice and draw(st.booleans()))
    ]
    if choice:
        wanted.append(draw(st.sampled_from(choice)))
    fields = {name: draw(_value(verb, name)) for name in wanted}
    if "holdUrl" in fields:
        fields["mode"] = "attended"
    return {verb: fields}


@st.composite
def odd_actions(draw: DrawFn) -> dict[str, Any]:
    """One action of which a field holds anything at all."""
    action: dict[str, Any] = draw(actions())
    ((verb, fields),) = action.items()
    return {verb: fields | {draw(st.sampled_from([*fields_of(verb), "bogus"])): draw(_JUNK)}}


@st.composite
def documents(draw: DrawFn, dialect: Dialect) -> str:
    """`<Response>` with elements and attributes of the dialect's table; some are refused when read."""
    response = TABLES[dialect].response
    elements = draw(st.lists(st.sampled_from([child.element for child in response.children]), max_size=5))
    return f"<Response>{''.join(_written(draw, element) for element in elements)}</Response>"


def _written(draw: DrawFn, element: Element) -> str:
    given = [
        one for one in element.attributes if draw(st.integers(0, 3)) == 0 or one.field in ("url", "name")
    ]
    attributes = "".join(
        f" {one.name}={quoteattr(_word(draw, one.field, element.verb, [*one.values, *one.refused]))}"
        for one in given
    )
    children = [child.element for child in element.children if draw(st.integers(0, 2)) == 0]
    inside = "".join(_written(draw, child) for child in children)
    text = _text(draw, element) if not inside or draw(st.booleans()) else ""
    return f"<{element.name}{attributes}>{escape(text)}{inside}</{element.name}>"


def _word(draw: DrawFn, field: str | None, verb: str | None, known: list[str]) -> str:
    """A value of an attribute: as the dialect has it, or as the verb's field has it."""
    pool = _OF_VERB.get((verb or "", field or "")) or _POOLS.get(field or "", ["x"])
    value = draw(st.sampled_from([*known, *pool]))
    if isinstance(value, bool):
        return str(value).lower()
    return msgspec.json.encode(value).decode() if isinstance(value, Mapping | list) else str(value)


def _text(draw: DrawFn, element: Element) -> str:
    if element.text is None:
        return (
            draw(st.sampled_from(NUMBERS)) if element.name in ("Number", "Identity", "Sip", "Client") else ""
        )
    return _word(draw, element.text, element.verb, [])
