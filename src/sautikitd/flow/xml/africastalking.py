"""Africa's Talking's voice XML: what its elements become, with its own defaults (docs.africastalking.com/voice)."""

from sautikitd.flow.xml.element import (
    THIS_DOCUMENT,
    Attribute,
    Child,
    Dialect,
    DialectTable,
    Element,
    Role,
)
from sautikitd.flow.xml.own import STREAM

DEFAULT_ROOM = "default"
"""The room or queue of an element without a name, one for the whole workspace and mode."""

_SAY = Element(
    name="Say",
    verb="say",
    attributes=(
        Attribute(name="voice", field="voice", default="woman", note="unknown ones: `woman`"),
        Attribute(
            name="playBeep",
            then={"play": {"tone": "beep"}},
            silent=frozenset({"false", "true"}),
            note="`true`: a beep follows, as `play` with `tone`",
        ),
    ),
    text="text",
    speech=True,
    note="SSML elements may stand in it",
)
_PLAY = Element(name="Play", verb="play", attributes=(Attribute(name="url", field="url"),))

_GET_DIGITS = Element(
    name="GetDigits",
    verb="getDigits",
    attributes=(
        Attribute(name="numDigits", field="numDigits"),
        Attribute(name="timeout", field="timeout", default=30),
        Attribute(name="finishOnKey", field="finishOnKey", default=""),
        Attribute(name="callbackUrl", field="action", default=THIS_DOCUMENT),
    ),
    children=(Child(element=_SAY, role=Role.PROMPT), Child(element=_PLAY, role=Role.PROMPT)),
)

_DIAL = Element(
    name="Dial",
    verb="dial",
    attributes=(
        Attribute(
            name="phoneNumbers",
            dialled=True,
            note="one of them is `number`, `sip` or `client`; several, of whatever kind, are `numbers`",
        ),
        Attribute(name="record", field="record", values={"true": True, "false": False}),
        Attribute(name="sequential", field="sequential"),
        Attribute(name="callerId", field="callerId"),
        Attribute(name="ringBackTone", field="ringTone"),
        Attribute(name="ringbackTone", field="ringTone"),
        Attribute(name="maxDuration", field="maxDuration"),
    ),
)

_RECORD = Element(
    name="Record",
    verb="record",
    attributes=(
        Attribute(name="finishOnKey", field="finishOnKey", default=""),
        Attribute(name="maxLength", field="maxLength"),
        Attribute(name="timeout", field="timeout", default=3600),
        Attribute(name="trimSilence", field="trimSilence"),
        Attribute(name="playBeep", field="beep", default=False),
        Attribute(name="callbackUrl", field="action", default=THIS_DOCUMENT),
    ),
    children=(Child(element=_SAY, role=Role.BEFORE), Child(element=_PLAY, role=Role.BEFORE)),
    bare={"finishOnKey": "", "timeout": 3600, "maxLength": 14400, "beep": False},
    note="without attributes and prompts it records to the end of the call (terminal recording)",
)

_VERBS = (
    _SAY,
    _PLAY,
    _GET_DIGITS,
    _DIAL,
    _RECORD,
    Element(
        name="Conference",
        verb="conference",
        fixed={"name": DEFAULT_ROOM},
        note="all who get it meet in one room of the workspace and mode",
    ),
    Element(
        name="Enqueue",
        verb="enqueue",
        attributes=(
            Attribute(name="name", field="name", default=DEFAULT_ROOM),
            Attribute(name="holdMusic", field="waitUrl"),
        ),
    ),
    Element(
        name="Dequeue",
        verb="dequeue",
        attributes=(
            Attribute(name="name", field="name", default=DEFAULT_ROOM),
            Attribute(name="phoneNumber", note="queues belong to the workspace, not to a number"),
        ),
    ),
    Element(name="Redirect", verb="redirect", text="url"),
    Element(name="Reject", verb="reject"),
    STREAM,
)

AFRICAS_TALKING = DialectTable(
    dialect=Dialect.AFRICASTALKING,
    response=Element(
        name="Response",
        children=tuple(Child(element=element, role=Role.BEFORE) for element in _VERBS),
    ),
)
