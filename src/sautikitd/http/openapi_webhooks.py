"""What we send to customers, under `webhooks` of the OpenAPI document: every event, and the voice callback."""

from collections.abc import Sequence
from typing import Any

from sautikitd.events.envelope import Envelope
from sautikitd.events.kinds import PAYLOADS

_REF = "#/components/schemas/"
_TEXT = {"type": "string"}

TYPES: Sequence[Any] = (Envelope, *dict.fromkeys(PAYLOADS.values()))
"""The structs that the webhooks refer to."""

_SIGNATURE = (
    "X-Sautikit-Signature",
    "`t=<unix>,v1=<hex>`: HMAC-SHA256 under the whole secret string of body + `.` + t; several `v1=` during a rotation.",
    "t=1795430000,v1=5f2b…",
)
_DELIVERY_HEADERS = (
    _SIGNATURE,
    ("X-Sautikit-Event-Id", "The event, the same in every delivery of it.", None),
    ("X-Sautikit-Event-Kind", "What happened, as `kind` in the body.", None),
    ("X-Sautikit-Delivery-Id", "This delivery, the same in every attempt of it.", None),
    ("webhook-id", "Standard Webhooks: the event.", None),
    ("webhook-timestamp", "Standard Webhooks: unix seconds of this attempt.", None),
    ("webhook-signature", "Standard Webhooks: `v1,` and base64 of the signature, several with spaces.", None),
)
# The vocabulary `sautikit`; a field without a value is left out.
_CALLBACK_FIELDS = {
    "callId": "The call.",
    "sessionId": "The call, as `HD_` and 12 hex digits.",
    "callSessionState": "What has just happened.",
    "isActive": "`1`, or `0` in the last report.",
    "direction": "`inbound` or `outbound`.",
    "callerNumber": "Who calls.",
    "destinationNumber": "Who is called.",
    "From": "As `callerNumber`.",
    "To": "As `destinationNumber`.",
    "Digits": "The keys pressed.",
    "dtmfDigits": "As `Digits`.",
    "clientRequestId": "As given when the call was placed.",
    "durationInSeconds": "Since the answer, so far or in all.",
    "recordingUrl": "Where the recording is.",
    "amount": "What the call cost, as a decimal of `currencyCode`.",
    "currencyCode": "`KES`.",
    "hangupCause": "Why it ended.",
    "answeredBy": "`human` or `machine`, where asked.",
}
_STATES = (
    *("Ringing", "Answered", "DigitsCollected", "DialCompleted", "RecordCompleted"),
    *("StreamStopped", "TransferCompleted", "QueueLeft", "Completed"),
)


def webhooks() -> dict[str, Any]:
    events = {
        kind.value: {"post": _event(kind.value, payload.__name__)} for kind, payload in PAYLOADS.items()
    }
    return {**events, "voice.callback": {"post": _voice_callback()}}


def _event(kind: str, payload: str) -> dict[str, Any]:
    schema = {
        "allOf": [
            {"$ref": f"{_REF}Envelope"},
            {"properties": {"kind": {"const": kind}, "data": {"$ref": _REF + payload}}},
        ]
    }
    return {
        "operationId": f"event_{kind.replace('.', '_')}",
        "summary": f"The event `{kind}`",
        "description": "Delivered at least once: to webhooks that name it, a number's `events_url`, a call's `webhook_url`.",
        "tags": ["Events"],
        "security": [],
        "parameters": [_header(*one) for one in _DELIVERY_HEADERS],
        "requestBody": {"required": True, "content": {"application/json": {"schema": schema}}},
        "responses": {
            "2XX": {"description": "Taken, within 10 seconds."},
            "410": {"description": "Gone: the webhook is disabled."},
            "default": {"description": "Tried again, eight times within about two days; then `dead_letter`."},
        },
    }


def _voice_callback() -> dict[str, Any]:
    fields: dict[str, Any] = {name: _TEXT | {"description": text} for name, text in _CALLBACK_FIELDS.items()}
    fields["callSessionState"]["enum"] = list(_STATES)
    fields["isActive"]["enum"] = ["1", "0"]
    form = {"type": "object", "properties": fields, "additionalProperties": _TEXT}
    flow = {
        "type": "object",
        "required": ["actions"],
        "properties": {
            "actions": {"type": "array", "minItems": 1, "maxItems": 50, "items": {"type": "object"}}
        },
        "description": "Voice actions; their JSON Schema is at `/v1/voice/schema`.",
        "examples": [{"actions": [{"say": {"text": "Karibu"}}, {"hangup": {}}]}],
    }
    return {
        "operationId": "voice_callback",
        "summary": "The voice callback: what should the call do?",
        "description": "Sent to `voice_callback_url` in the vocabulary `sautikit`; a number or call may choose `africastalking` "
        "or `twilio` instead. With `voice_method` GET the fields are in the query. After the last report the reply is ignored.",
        "tags": ["Voice actions"],
        "security": [],
        "parameters": [_header(*_SIGNATURE)],
        "requestBody": {
            "required": True,
            "content": {"application/x-www-form-urlencoded": {"schema": form}},
        },
        "responses": {
            "200": {
                "description": "What to do next.",
                "content": {"application/json": {"schema": flow}, "application/xml": {"schema": _TEXT}},
            },
            "default": {
                "description": "`fallback_url` is asked once; else an apology is spoken and the call ends."
            },
        },
    }


def _header(name: str, description: str, example: str | None) -> dict[str, Any]:
    header = {"name": name, "in": "header", "required": True, "description": description, "schema": _TEXT}
    return header | ({"example": example} if example else {})
