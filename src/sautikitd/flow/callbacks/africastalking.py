"""Africa's Talking's vocabulary, so that handlers written for it work unchanged (docs.africastalking.com/voice)."""

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime

import phonenumbers

from sautikitd.egress.signatures import SIGNATURE_HEADER, sign
from sautikitd.flow.callbacks.vocabulary import Asking, EndReport, Parameters, Prepared
from sautikitd.flow.context import CallbackFormat, Direction
from sautikitd.flow.port import Dialled
from sautikitd.flow.xml.element import Dialect

RESULTS: Mapping[str, str] = {
    "recordingUrl": "recordingUrl",
    "dialNumber": "dialDestinationNumber",
    "dialDuration": "dialDurationInSeconds",
    "dialStartTime": "dialStartTime",
    **{name: name for name in ("streamSid", "streamName", "streamEvent", "streamError", "timestamp")},
}
"""Fields of the verb that ended: our names and Africa's Talking's, which knows no streams: those keep our names. The
others have no name there."""

HANGUP_CAUSES: Mapping[str, str] = {
    "normal_clearing": "NORMAL_CLEARING",
    "max_duration": "NORMAL_CLEARING",
    "canceled": "ORIGINATOR_CANCEL",
    "expired_in_queue": "ORIGINATOR_CANCEL",
    "user_busy": "USER_BUSY",
    "no_answer": "NO_ANSWER",
    "timeout": "NO_USER_RESPONSE",
    "call_rejected": "CALL_REJECTED",
    "unwanted": "CALL_REJECTED",
    "rejected": "CALL_REJECTED",
    "suspended": "CALL_REJECTED",
    "unallocated_number": "UNALLOCATED_NUMBER",
    "number_changed": "UNALLOCATED_NUMBER",
    "invalid_number": "UNALLOCATED_NUMBER",
    "destination_unreachable": "SUBSCRIBER_ABSENT",
    "congestion": "NORMAL_TEMPORARY_FAILURE",
    "network_error": "NORMAL_TEMPORARY_FAILURE",
    "protocol_error": "NORMAL_TEMPORARY_FAILURE",
    "internal_error": "NORMAL_TEMPORARY_FAILURE",
    "node_lost": "NORMAL_TEMPORARY_FAILURE",
    "media_lost": "NORMAL_TEMPORARY_FAILURE",
    "trunk_failure": "SERVICE_UNAVAILABLE",
    "no_trunk": "SERVICE_UNAVAILABLE",
    "media_incompatible": "SERVICE_UNAVAILABLE",
    "insufficient_funds": "SERVICE_UNAVAILABLE",
    "spend_limit": "SERVICE_UNAVAILABLE",
    "outbound_paused": "SERVICE_UNAVAILABLE",
    "media_timeout": "RECOVERY_ON_TIMER_EXPIRE",
    "lost_race": "LOSE_RACE",
    "redirected": "UNSPECIFIED",
}
"""Our hangup causes in its published list; any other is `UNSPECIFIED`."""


class AfricasTalkingVocabulary:
    """`callerNumber` is always the phone user and `destinationNumber` always the platform's number, in both
    directions; `sessionId` is our session id, which the API takes as well. `callSessionState` carries our
    own states, of which `Ringing`, `Answered`, `TransferCompleted` and `Completed` are its too. Fields
    without a value are left out.

    It publishes no signature: ours goes along, over the body (of a GET the query).
    """

    format = CallbackFormat.AFRICASTALKING
    end_report = EndReport.VOICE_CALLBACK
    dialect: Dialect | None = Dialect.AFRICASTALKING
    accept = "*/*"

    def parameters(self, asking: Asking) -> Parameters:
        context, question = asking.context, asking.question
        inbound = context.direction is Direction.INBOUND
        user, ours = context.from_number, context.to_number
        if not inbound:
            user, ours = ours, user
        fields: Parameters = [
            ("isActive", "0" if asking.outcome is not None else "1"),
            ("sessionId", context.session_id),
            ("direction", "Inbound" if inbound else "Outbound"),
            ("callerNumber", user),
            ("callerCountryCode", _country_code(user)),
            ("destinationNumber", ours),
            ("callSessionState", asking.state.value),
            ("callStartTime", _told_time(context.started_at)),
            ("dtmfDigits", question.digits),
            ("clientRequestId", context.client_request_id or ""),
            *(
                (RESULTS[name], _result(name, value))
                for name, value in question.results.items()
                if name in RESULTS
            ),
            *_ending(asking),
        ]
        return [(name, value) for name, value in fields if value]

    def signature(self, prepared: Prepared, secrets: Sequence[str], now: datetime) -> dict[str, str]:
        return {SIGNATURE_HEADER: sign(prepared.payload, secrets, int(now.timestamp()))} if secrets else {}


def _ending(asking: Asking) -> Parameters:
    outcome = asking.outcome
    if outcome is None:
        return []
    answered = asking.context.answered_at is not None or outcome.duration_seconds > 0
    return [
        ("status", "Success" if answered else "Failed"),
        ("durationInSeconds", str(outcome.duration_seconds)),
        ("currencyCode", asking.context.currency),
        ("amount", outcome.amount),
        ("recordingUrl", outcome.recording_url),
        ("hangupCause", HANGUP_CAUSES.get(outcome.hangup_cause, "UNSPECIFIED")),
        *_dial(outcome.dialled),
    ]


def _dial(dialled: Dialled | None) -> Parameters:
    """Its `Dial` has no callback of its own: what became of it is in the final notification."""
    if dialled is None:
        return []
    return [
        ("dialDestinationNumber", dialled.number),
        ("dialDurationInSeconds", str(dialled.duration_s)),
        ("dialStartTime", _told_time(dialled.answered_at)),
    ]


def _result(name: str, value: str) -> str:
    return _told_time(datetime.fromisoformat(value)) if name == "dialStartTime" and value else value


def _told_time(moment: datetime | None) -> str:
    """As Africa's Talking writes it: `2026-11-23+18:04:05`, UTC."""
    return moment.astimezone(UTC).strftime("%Y-%m-%d+%H:%M:%S") if moment is not None else ""


def _country_code(number: str) -> str:
    """The calling code (`254`) of an E.164 number; nothing for a SIP address or a client."""
    try:
        return str(phonenumbers.parse(number).country_code)
    except phonenumbers.NumberParseException:
        return ""
