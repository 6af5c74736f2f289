"""TwiML: what its elements become, with Twilio's own defaults (twilio.com/docs/voice/twiml)."""

from sautikitd.flow.xml.element import (
    THIS_DOCUMENT,
    Attribute,
    Child,
    Dialect,
    DialectTable,
    Element,
    Role,
    passed_over,
)
from sautikitd.flow.xml.own import PARAMETER, STREAM

_POST = frozenset({"POST"})
_COMPLETED = frozenset({"completed"})
_BY_POST = "the callback is a POST"
_EVENTS = "call events are webhooks"

_SAY = Element(
    name="Say",
    verb="say",
    attributes=(
        Attribute(name="voice", field="voice", default="man", note="unknown ones (`Polly.…`): `woman`"),
        Attribute(name="language", field="language", default="en-US"),
        Attribute(name="loop", field="loop", values={"0": 1000}, note="0 (for ever) becomes 1,000 times"),
    ),
    text="text",
    speech=True,
    note="SSML elements may stand in it",
)
_PLAY = Element(
    name="Play",
    verb="play",
    attributes=(
        Attribute(name="loop", field="loop", values={"0": 1000}, note="0 (for ever) becomes 1,000 times"),
        Attribute(name="digits", field="digits"),
    ),
    text="url",
)
_PAUSE = Element(name="Pause", verb="pause", attributes=(Attribute(name="length", field="length"),))

_GATHER = Element(
    name="Gather",
    verb="getDigits",
    attributes=(
        Attribute(name="action", field="action", default=THIS_DOCUMENT),
        Attribute(name="method", field="method"),
        Attribute(name="numDigits", field="numDigits"),
        Attribute(name="timeout", field="timeout", values={"auto": 5}),
        Attribute(name="finishOnKey", field="finishOnKey"),
        Attribute(
            name="input",
            silent=frozenset({"dtmf"}),
            refused={"speech": "speech is not recognised; gather dtmf"},
            note="only key presses are gathered",
        ),
        Attribute(
            name="actionOnEmptyResult", silent=frozenset({"false"}), note="without input the next verb runs"
        ),
        Attribute(name="bargeIn", silent=frozenset({"true"}), note="a key always cuts the prompts short"),
        *passed_over(
            "speechTimeout", "maxSpeechTime", "profanityFilter", "language", "hints", "speechModel",
            "enhanced", "partialResultCallback", "partialResultCallbackMethod", "debug",
            note="speech is not recognised",
        ),
    ),
    children=(
        Child(element=_SAY, role=Role.PROMPT),
        Child(element=_PLAY, role=Role.PROMPT),
        Child(
            element=Element(name="Pause", note="prompts follow each other at once"),
            role=Role.IGNORED,
        ),
    ),
)  # fmt: skip

_LEG_EVENTS = passed_over(
    "statusCallback", "statusCallbackEvent", "statusCallbackMethod", "amdStatusCallback",
    "amdStatusCallbackMethod", note=_EVENTS,
)  # fmt: skip
_LEG_SCREENING = passed_over(
    "url", "method", note="the called party is not asked by a document of his own; see dial.whisper"
)
_LEG_MACHINES = passed_over(
    "machineDetection", "machineDetectionTimeout", "machineDetectionSpeechThreshold",
    "machineDetectionSpeechEndThreshold", "machineDetectionSilenceTimeout",
    note="machines are detected on calls placed by the API only",
)  # fmt: skip
_LEG = (*_LEG_SCREENING, *_LEG_EVENTS, *_LEG_MACHINES)

_RECORDING_STATUS = (
    Attribute(name="recordingStatusCallback", field="recordingStatusCallback"),
    *passed_over("recordingStatusCallbackMethod", note=_BY_POST, silent=_POST),
    *passed_over(
        "recordingStatusCallbackEvent",
        note="asked when the recording is ready or has failed",
        silent=_COMPLETED,
    ),
)

_CONFERENCE = Element(
    name="Conference",
    verb="conference",
    attributes=(
        Attribute(name="muted", field="muted"),
        Attribute(
            name="beep",
            field="beep",
            default=True,
            values={"true": True, "false": False},
            note="`onEnter`, `onExit`: only then",
        ),
        Attribute(name="startConferenceOnEnter", field="startOnEnter"),
        Attribute(name="endConferenceOnExit", field="endOnExit"),
        Attribute(name="maxParticipants", field="maxParticipants"),
        Attribute(
            name="record", field="record", values={"do-not-record": False, "record-from-start": True}
        ),
        Attribute(name="waitUrl", field="waitUrl"),
        Attribute(name="waitMethod", field="waitMethod"),
        Attribute(name="coach", field="coach", call_sid=True, note="a CallSid"),
        Attribute(name="statusCallback", field="statusEventsCallbackUrl"),
        Attribute(name="statusCallbackEvent", field="statusEvents", separator=" "),
        *passed_over("statusCallbackMethod", note=_BY_POST, silent=_POST),
        *_RECORDING_STATUS,
        *passed_over("eventCallbackUrl", note="ask for recordingStatusCallback, which Twilio has put in its place"),
        *passed_over(
            "region", "trim", "jitterBufferSize", "participantLabel", "recordingConfigurationId",
            note="it has no counterpart",
        ),
    ),
    fixed={"statusEventsFormat": "twilio"},
    text="name",
)  # fmt: skip
_QUEUE = Element(
    name="Queue",
    verb="dequeue",
    attributes=passed_over(
        "url", "method", "reservationSid", "postWorkActivitySid", note="it has no counterpart"
    ),
    text="name",
)

_DIAL = Element(
    name="Dial",
    verb="dial",
    attributes=(
        Attribute(name="action", field="action"),
        Attribute(name="method", field="method"),
        Attribute(name="timeout", field="timeout", default=30),
        Attribute(name="timeLimit", field="maxDuration", default=14400),
        Attribute(name="callerId", field="callerId"),
        Attribute(name="answerOnBridge", field="answerOnBridge", default=False),
        Attribute(name="ringTone", field="ringTone"),
        Attribute(name="sequential", field="sequential"),
        Attribute(
            name="record",
            field="record",
            values={
                "do-not-record": False,
                "true": True,
                "false": False,
                "record-from-answer-dual": "record-from-answer",
                "record-from-ringing-dual": "record-from-ringing",
            },
        ),
        *_RECORDING_STATUS,
        *passed_over(
            "hangupOnStar", "trim", "recordingTrack", "recordingConfigurationId", "referUrl", "referMethod",
            "events", "passports", note="it has no counterpart", silent=frozenset({"false"}),
        ),
    ),
    text="number",
    children=(
        Child(
            element=Element(
                name="Number",
                attributes=(
                    *_LEG,
                    *passed_over("sendDigits", "byoc", note="it has no counterpart"),
                ),
            ),
            role=Role.TARGET,
            field="number",
        ),
        Child(
            element=Element(
                name="Sip",
                attributes=(
                    *_LEG,
                    *passed_over("username", "password", note="credentials are not passed on"),
                ),
            ),
            role=Role.TARGET,
            field="sip",
        ),
        Child(
            element=Element(
                name="Client",
                attributes=_LEG,
                children=(
                    Child(element=Element(name="Identity"), role=Role.TARGET),
                    Child(
                        element=Element(
                            name="Parameter",
                            note="parameters are not passed on to clients",
                        ),
                        role=Role.IGNORED,
                    ),
                ),
            ),
            role=Role.TARGET,
            field="client",
        ),
        Child(element=_CONFERENCE, role=Role.INSTEAD, keeps={"action": "action", "method": "method"}),
        Child(
            element=_QUEUE,
            role=Role.INSTEAD,
            keeps={"action": "action", "method": "method", "timeout": "maxWait"},
        ),
    ),
)  # fmt: skip

_RECORD = Element(
    name="Record",
    verb="record",
    attributes=(
        Attribute(name="action", field="action", default=THIS_DOCUMENT),
        Attribute(name="method", field="method"),
        Attribute(name="timeout", field="timeout", values={"0": 3600}, note="0 (no limit) becomes 3,600 s"),
        Attribute(name="finishOnKey", field="finishOnKey", default="1234567890*#"),
        Attribute(name="maxLength", field="maxLength"),
        Attribute(name="playBeep", field="beep"),
        Attribute(
            name="trim",
            field="trimSilence",
            default=True,
            values={"trim-silence": True, "do-not-trim": False},
        ),
        Attribute(name="transcribe", field="transcribe"),
        Attribute(name="transcribeCallback", field="transcribeCallback"),
        *_RECORDING_STATUS,
        *passed_over("recordingConfigurationId", note="it has no counterpart"),
    ),
)  # fmt: skip

_STREAM = Element(
    name="Stream",
    verb="stream",
    attributes=(
        Attribute(name="url", field="url"),
        Attribute(name="name", field="name"),
        Attribute(name="track", field="track", default="inbound_track"),
        Attribute(name="statusCallback", field="statusCallback"),
        *passed_over("statusCallbackMethod", note=_BY_POST, silent=_POST),
        *passed_over("connectorName", "audioFormat", "sampleRate", note="it has no counterpart"),
    ),
    fixed={"protocol": "twilio"},
    children=(
        Child(
            element=PARAMETER,
            role=Role.PARAMETER,
            field="openMetadata",
        ),
    ),
)
_AFTERWARDS = (
    Attribute(name="action", field="action", note="without it the next verb runs when the stream ends"),
    Attribute(name="method", field="method"),
)
_UNHEARD = passed_over("action", "method", note="the flow does not wait for the stream")

_STOPPED_STREAM = Element(
    name="Stream", verb="stopStream", attributes=(Attribute(name="name", field="name"),)
)

_ENQUEUE = Element(
    name="Enqueue",
    verb="enqueue",
    attributes=(
        Attribute(name="action", field="action"),
        Attribute(name="method", field="method"),
        Attribute(name="waitUrl", field="waitUrl"),
        Attribute(name="waitUrlMethod", field="waitMethod"),
        Attribute(name="maxQueueSize", field="maxSize"),
        *passed_over("workflowSid", note="it has no counterpart"),
    ),
    text="name",
)

_REFER = Element(
    name="Refer",
    verb="transfer",
    attributes=(Attribute(name="action", field="action"), Attribute(name="method", field="method")),
    fixed={"mode": "blind"},
    children=(Child(element=Element(name="Sip"), role=Role.TARGET, field="to"),),
)
_SOME_REASON = Child(
    element=Element(
        name="Parameter",
        note="parameters are not passed on",
    ),
    role=Role.IGNORED,
)

_VERBS = (
    _SAY,
    _PLAY,
    _PAUSE,
    _GATHER,
    _DIAL,
    _RECORD,
    Element(
        name="Redirect", verb="redirect", attributes=(Attribute(name="method", field="method"),), text="url"
    ),
    Element(
        name="Reject",
        verb="reject",
        attributes=(Attribute(name="reason", field="reason"),),
        children=(_SOME_REASON,),
    ),
    Element(name="Hangup", verb="hangup", children=(_SOME_REASON,)),
    _ENQUEUE,
    Element(name="Leave", verb="leave", note="in what the `waitUrl` of an `<Enqueue>` answers"),
    Element(
        name="Connect",
        attributes=_AFTERWARDS,
        fixed={"connect": True},
        children=(Child(element=_STREAM, role=Role.INSTEAD),),
    ),
    Element(
        name="Start",
        attributes=_UNHEARD,
        fixed={"connect": False},
        children=(Child(element=_STREAM, role=Role.INSTEAD),),
    ),
    Element(name="Stop", children=(Child(element=_STOPPED_STREAM, role=Role.INSTEAD),)),
    STREAM,
    _REFER,
)

TWIML = DialectTable(
    dialect=Dialect.TWILIO,
    response=Element(
        name="Response",
        children=tuple(Child(element=element, role=Role.BEFORE) for element in _VERBS),
    ),
    unsupported={
        "Pay": "card payments are not taken",
        "Prompt": "card payments are not taken",
        "Sms": "messages are not sent",
        "Message": "messages are not sent",
        "Echo": "there is no echo",
        "Queue": "it stands in Dial",
        "Sim": "there are no programmable SIMs",
        "Application": "there are no applications",
        "WhatsApp": "WhatsApp is not called",
        "Siprec": "recordings are made here",
        "Transcription": "there is no live transcription",
        "Recording": "recording starts with the call or by the API",
        "Room": "there is no video",
        "Autopilot": "connect a Stream instead",
        "VirtualAgent": "connect a Stream instead",
        "ConversationRelay": "connect a Stream instead",
        "ConversationRelaySession": "connect a Stream instead",
        "Conversation": "connect a Stream instead",
        "AiSession": "connect a Stream instead",
        "Task": "there are no workflows",
        "Headers": "SIP headers are not passed on",
        "Uri": "write the address as the text of Sip",
        "ApplicationSid": "there are no applications",
    },
)
