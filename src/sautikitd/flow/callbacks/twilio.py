"""Twilio's vocabulary, so that handlers written for it work unchanged (twilio.com/docs/voice/twiml, "Twilio's
request"; its signature: twilio.com/docs/usage/webhooks/webhooks-security)."""

import base64
import hashlib
import hmac
from collections.abc import Mapping, Sequence
from datetime import datetime
from email.utils import format_datetime

from sautikitd.flow.callbacks.log import CallbackOutcome
from sautikitd.flow.callbacks.question import Failure, Method, SessionState
from sautikitd.flow.callbacks.vocabulary import Asking, EndReport, Parameters, Prepared
from sautikitd.flow.context import CallbackFormat, CallOutcome, Direction, FlowContext, KeptRecording
from sautikitd.flow.xml.element import Dialect
from sautikitd.flow.xml.values import call_sid_of

TWILIO_SIGNATURE_HEADER = "X-Twilio-Signature"
API_VERSION = "2010-04-01"

RESULTS: Mapping[str, str] = {
    "recordingUrl": "RecordingUrl",
    "recordingId": "RecordingSid",
    "recordingDuration": "RecordingDuration",
    "dialStatus": "DialCallStatus",
    "dialCallId": "DialCallSid",
    "dialDuration": "DialCallDuration",
    "dialBridged": "DialBridged",
    "transferStatus": "ReferCallStatus",
    "queueResult": "QueueResult",
    "queueTime": "QueueTime",
    "queueId": "QueueSid",
    "queuePosition": "QueuePosition",
    "currentQueueSize": "CurrentQueueSize",
    "averageQueueTime": "AvgQueueTime",
    "streamSid": "StreamSid",
    "streamName": "StreamName",
    "streamEvent": "StreamEvent",
    "streamError": "StreamError",
    "timestamp": "Timestamp",
}
"""Fields of the verb that ended: our names and Twilio's. What is not here has no name there, and is left out."""

_SIDS = {"RecordingSid": "RE", "DialCallSid": "CA", "QueueSid": "QU", "StreamSid": "MZ"}
"""Ids become sids: a prefix and the 32 hex digits of our id, so that they can be turned back."""

UNANSWERED = {
    "user_busy": "busy",
    "no_answer": "no-answer",
    "timeout": "no-answer",
    "canceled": "canceled",
    "expired_in_queue": "canceled",
    "lost_race": "canceled",
}
"""CallStatus of a call that was never answered, by its hangup cause; every other cause is `failed`."""


ERROR_CODES: Mapping[CallbackOutcome, str] = {
    CallbackOutcome.STATUS: "11200",  # HTTP retrieval failure
    CallbackOutcome.TIMEOUT: "11200",
    CallbackOutcome.CONNECT: "11205",  # HTTP connection failure
    CallbackOutcome.RESET: "11205",
    CallbackOutcome.PROTOCOL: "11206",  # HTTP protocol violation
    CallbackOutcome.DNS: "11210",  # HTTP bad host name
    CallbackOutcome.TLS: "11220",  # SSL/TLS handshake error
    CallbackOutcome.REFUSED: "11100",  # invalid URL format
    CallbackOutcome.TOO_LARGE: "11750",  # TwiML response body too large
    CallbackOutcome.INVALID: "12100",  # document parse failure
}
"""Why the fallback URL is asked, in Twilio's error codes (twilio.com/docs/api/errors)."""

GREETING_ENDS = {"beep": "machine_end_beep", "silence": "machine_end_silence", "limit": "machine_end_other"}
"""A machine whose greeting was waited for. The other answerers (`human`, `fax`, `unknown`) are Twilio's as well."""


class TwilioVocabulary:
    """CallSid is `CA` + the hex digits of the call id, AccountSid `AC` + those of the workspace id.

    Fields without a value are left out. The auth token is the signing secret, `whsec_` included; one header
    holds one signature, so while two secrets are valid the older one signs (as Twilio's primary token does
    until the secondary one is promoted).
    """

    format = CallbackFormat.TWILIO
    end_report = EndReport.STATUS_CALLBACK
    dialect: Dialect | None = Dialect.TWILIO
    accept = "*/*"

    def parameters(self, asking: Asking) -> Parameters:
        context, question = asking.context, asking.question
        fields: Parameters = [
            ("CallSid", call_sid_of(context.call_id)),
            ("AccountSid", f"AC{context.workspace_id.hex}" if context.workspace_id else ""),
            ("From", context.from_number),
            ("To", context.to_number),
            ("Caller", context.from_number),
            ("Called", context.to_number),
            ("CallStatus", _call_status(asking)),
            ("ApiVersion", API_VERSION),
            ("Direction", "inbound" if context.direction is Direction.INBOUND else "outbound-api"),
            ("AnsweredBy", _answered_by(context)),
            ("Digits", question.digits),
            *_results(question.results),
            *_failure(question.failure),
            *_ending(asking),
        ]
        return [(name, value) for name, value in fields if value]

    def signature(self, prepared: Prepared, secrets: Sequence[str], now: datetime) -> dict[str, str]:
        if not secrets:
            return {}
        signed = prepared.parameters if prepared.method is Method.POST else []
        return {TWILIO_SIGNATURE_HEADER: twilio_signature(prepared.url, signed, secrets[-1])}


def twilio_signature(url: str, parameters: Parameters, auth_token: str) -> str:
    """base64(HMAC-SHA1(auth token, URL + each POST parameter's name and value, sorted by name)).

    Of a GET the parameters stand in the URL, and `parameters` is empty.
    """
    text = url + "".join(name + value for name, value in sorted(set(parameters)))
    mac = hmac.new(auth_token.encode(), text.encode(), hashlib.sha1)
    return base64.b64encode(mac.digest()).decode()


def _answered_by(context: FlowContext) -> str:
    if context.answered_by == "machine":
        return GREETING_ENDS.get(context.greeting_end or "", "machine_start")
    return context.answered_by or ""


def _call_status(asking: Asking) -> str:
    if asking.outcome is None:
        return "ringing" if asking.state is SessionState.RINGING else "in-progress"
    if _was_answered(asking.context, asking.outcome):
        return "completed"
    return UNANSWERED.get(asking.outcome.hangup_cause, "failed")


def _was_answered(context: FlowContext, outcome: CallOutcome) -> bool:
    return context.answered_at is not None or outcome.duration_seconds > 0


def _results(results: Mapping[str, str]) -> Parameters:
    known = [(RESULTS[name], value) for name, value in results.items() if name in RESULTS and value]
    return [(name, _result(name, value)) for name, value in known]


def _result(name: str, value: str) -> str:
    if name in _SIDS:
        return _SIDS[name] + value.replace("-", "")
    return value.replace("_", "-") if name.endswith("CallStatus") else value


def _failure(failure: Failure | None) -> Parameters:
    """To the fallback URL (twilio.com/docs/usage/security/availability-reliability)."""
    if failure is None:
        return []
    return [("ErrorCode", ERROR_CODES.get(failure.outcome, "11200")), ("ErrorUrl", failure.url)]


def _ending(asking: Asking) -> Parameters:
    """Of a status callback (twilio.com/docs/voice/api/call-resource, "StatusCallback request parameters"). `Duration`
    is in minutes, begun ones whole."""
    outcome = asking.outcome
    if outcome is None:
        return []
    answered = _was_answered(asking.context, outcome)
    code = outcome.sip_code or (200 if answered else None)
    return [
        ("CallDuration", str(outcome.duration_seconds)),
        ("Duration", str(-(-outcome.duration_seconds // 60)) if answered else ""),
        ("SipResponseCode", str(code or "")),
        *_recording(outcome.recording),
        ("Timestamp", format_datetime(outcome.ended_at) if outcome.ended_at else ""),
        ("CallbackSource", "call-progress-events"),
        ("SequenceNumber", "0"),
    ]


def _recording(recording: KeptRecording | None) -> Parameters:
    if recording is None:
        return []
    seconds = recording.duration_seconds
    return [
        ("RecordingUrl", recording.url),
        ("RecordingSid", f"RE{recording.id.hex}"),
        ("RecordingDuration", str(seconds) if seconds is not None else ""),
    ]
