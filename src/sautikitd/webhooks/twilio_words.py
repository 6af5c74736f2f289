"""Events in Twilio's words, for status callbacks that stand in TwiML
(twilio.com/docs/voice/twiml/conference, "statusCallback"). Fields without a value are left out."""

from collections.abc import Callable, Mapping
from datetime import datetime
from email.utils import format_datetime
from typing import Any
from urllib.parse import urlencode
from uuid import UUID

import msgspec

from sautikitd.events.kinds import EventKind
from sautikitd.flow.callbacks.twilio import API_VERSION, TWILIO_SIGNATURE_HEADER, twilio_signature
from sautikitd.flow.callbacks.vocabulary import Parameters
from sautikitd.webhooks.models import ClaimedDelivery

CONFERENCE_EVENTS: Mapping[str, str] = {
    EventKind.CONFERENCE_STARTED: "conference-start",
    EventKind.CONFERENCE_ENDED: "conference-end",
    EventKind.CONFERENCE_PARTICIPANT_JOINED: "participant-join",
    EventKind.CONFERENCE_PARTICIPANT_LEFT: "participant-leave",
    EventKind.CONFERENCE_PARTICIPANT_MUTED: "participant-mute",
    EventKind.CONFERENCE_PARTICIPANT_UNMUTED: "participant-unmute",
    EventKind.CONFERENCE_PARTICIPANT_HELD: "participant-hold",
    EventKind.CONFERENCE_PARTICIPANT_UNHELD: "participant-unhold",
}

_ENDED = {
    "everybody_left": ("last-participant-left", "last-participant-kicked"),
    "participant_left": (
        "participant-with-end-conference-on-exit-left",
        "participant-with-end-conference-on-exit-kicked",
    ),
    "ended_by_api": ("conference-ended-via-api", "conference-ended-via-api"),
}
"""Our reason, and Twilio's: where who ended it left by himself, and where he was taken out."""

_LEFT = {
    "hangup": "participant_hung_up",
    "left": "participant_updated_via_api",
    "kicked": "participant_updated_via_api",
    "failed": "participant_add_failed",
}
"""Our reasons and Twilio's, which has no word for being kicked; what is not here has none there."""

_CALL_STATUS = {"hangup": "completed", "node_lost": "failed"}
"""Of a participant who left for this reason; the call of any other goes on."""

_REASONS = {
    "everybody_left": "the last participant left",
    "participant_left": "a participant with endConferenceOnExit left",
    "ended_by_api": "it was ended by the API",
    "node_lost": "the voice node that it was on was lost",
}


def twilio_parameters(delivery: ClaimedDelivery) -> Parameters:
    """Of a delivery whose `form` is `twilio`."""
    data: dict[str, Any] = msgspec.json.decode(delivery.data)
    fields: Parameters = [
        ("AccountSid", f"AC{delivery.workspace_id.hex}"),
        ("ApiVersion", API_VERSION),
        *(_of_recording(data) if "media_url" in data else _of_conference(delivery.kind, data)),
        ("Timestamp", format_datetime(delivery.occurred_at)),
    ]
    return [(name, value) for name, value in fields if value]


def twilio_body(parameters: Parameters) -> bytes:
    return urlencode(parameters).encode()


def twilio_headers(url: str, parameters: Parameters, auth_token: str) -> dict[str, str]:
    return {
        "Content-Type": "application/x-www-form-urlencoded",
        TWILIO_SIGNATURE_HEADER: twilio_signature(url, parameters, auth_token),
    }


def _of_conference(kind: str, data: Mapping[str, Any]) -> Parameters:
    reason = str(data.get("reason", ""))
    ended, left = (
        reason if kind == told else ""
        for told in (EventKind.CONFERENCE_ENDED, EventKind.CONFERENCE_PARTICIPANT_LEFT)
    )
    by_left, by_kicked = _ENDED.get(ended, ("", ""))
    return [
        ("StatusCallbackEvent", CONFERENCE_EVENTS.get(kind, "")),
        ("ConferenceSid", _sid("CF", data.get("conference_id"))),
        ("FriendlyName", data.get("name", "")),
        ("SequenceNumber", str(data.get("sequence", ""))),
        ("CallSid", _sid("CA", data.get("call_id"))),
        ("Muted", _flag(data.get("muted"))),
        ("Hold", _flag(data.get("held"))),
        ("Coaching", _flag(data.get("muted"), lambda _: data.get("coached_call_id") is not None)),
        ("CallSidToCoach", _sid("CA", data.get("coached_call_id"))),
        ("StartConferenceOnEnter", _flag(data.get("start_on_enter"))),
        ("EndConferenceOnExit", _flag(data.get("end_on_exit"))),
        ("ReasonConferenceEnded", by_kicked if data.get("ended_by_reason") == "kicked" else by_left),
        ("Reason", _REASONS.get(ended, "")),
        ("CallSidEndingConference", _sid("CA", data.get("ended_by_call_id")) if ended else ""),
        ("ReasonParticipantLeft", _why_left(left, data)),
        ("ParticipantCallStatus", _CALL_STATUS.get(left, "in-progress") if left else ""),
    ]


def _why_left(reason: str, data: Mapping[str, Any]) -> str:
    if reason == "conference_ended":
        return "moderator_ended_conference" if data.get("ended_by_call_id") else "conference_ended_via_api"
    return _LEFT.get(reason, "")


def _of_recording(data: Mapping[str, Any]) -> Parameters:
    """twilio.com/docs/voice/twiml/record and /conference, "recordingStatusCallback": that of a conference names no call."""
    failed, started = data.get("error") is not None, data.get("started_at")
    conference = data.get("conference_id")
    return [
        ("ConferenceSid", _sid("CF", conference)),
        ("CallSid", "" if conference else _sid("CA", data.get("call_id"))),
        ("RecordingSid", _sid("RE", data.get("recording_id"))),
        ("RecordingUrl", data.get("media_url", "")),
        ("RecordingStatus", "absent" if failed else "completed"),
        ("RecordingDuration", str(data.get("duration_seconds", ""))),
        ("RecordingChannels", str(data.get("channels", ""))),
        ("RecordingStartTime", format_datetime(datetime.fromisoformat(started)) if started else ""),
        ("RecordingSource", data.get("source", "")),
    ]


def _sid(prefix: str, value: str | None) -> str:
    return f"{prefix}{UUID(value).hex}" if value else ""


def _flag(value: bool | None, meaning: Callable[[bool], bool] = bool) -> str:
    """`true` or `false` of what is told of a participant; nothing where none is."""
    return "" if value is None else str(meaning(value)).lower()
