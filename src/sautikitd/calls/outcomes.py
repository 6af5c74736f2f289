"""How calls end: the closed lists behind `status`, `hangup_by`, `hangup_cause` and `failure_code`."""

from enum import StrEnum


class CallStatus(StrEnum):
    QUEUED = "queued"
    RINGING = "ringing"  # INVITE sent or received
    ANSWERED = "answered"
    COMPLETED = "completed"
    FAILED = "failed"
    NO_ANSWER = "no_answer"
    BUSY = "busy"
    CANCELED = "canceled"

    @property
    def terminal(self) -> bool:
        return self not in (CallStatus.QUEUED, CallStatus.RINGING, CallStatus.ANSWERED)


class HangupBy(StrEnum):
    CALLER = "caller"
    CALLEE = "callee"
    CARRIER = "carrier"  # a trunk or the network behind it
    PLATFORM = "platform"  # a flow, a limit, the ring timeout, an operator, a fault of ours


class HangupCause(StrEnum):
    # From the wire; `voice/sip/causes.py` has the SIP codes of each.
    NORMAL_CLEARING = "normal_clearing"
    CANCELED = "canceled"
    USER_BUSY = "user_busy"
    NO_ANSWER = "no_answer"
    CALL_REJECTED = "call_rejected"
    UNWANTED = "unwanted"
    UNALLOCATED_NUMBER = "unallocated_number"
    NUMBER_CHANGED = "number_changed"
    INVALID_NUMBER = "invalid_number"
    DESTINATION_UNREACHABLE = "destination_unreachable"
    REDIRECTED = "redirected"
    MEDIA_INCOMPATIBLE = "media_incompatible"
    CONGESTION = "congestion"
    TRUNK_FAILURE = "trunk_failure"
    NETWORK_ERROR = "network_error"
    TIMEOUT = "timeout"
    PROTOCOL_ERROR = "protocol_error"
    MEDIA_TIMEOUT = "media_timeout"
    LOST_RACE = "lost_race"
    NODE_LOST = "node_lost"
    # Ours alone.
    EXPIRED_IN_QUEUE = "expired_in_queue"
    INSUFFICIENT_FUNDS = "insufficient_funds"
    SPEND_LIMIT = "spend_limit"  # a cap of the owner's leaves too little for the call
    OUTBOUND_PAUSED = "outbound_paused"  # the alarm over the speed of spending
    MAX_DURATION = "max_duration"
    NO_TRUNK = "no_trunk"
    REJECTED = "rejected"  # our flow refused an inbound call
    SUSPENDED = "suspended"
    MEDIA_LOST = "media_lost"  # the media process died
    INTERNAL_ERROR = "internal_error"  # a fault of ours, of this call alone


# `failure_code` of the failures that a developer or an owner can do something about; else it is the cause itself.
FAILURE_CODES = {
    HangupCause.INSUFFICIENT_FUNDS: "wallet.insufficient_funds",
    HangupCause.SPEND_LIMIT: "wallet.spend_limit",
    HangupCause.OUTBOUND_PAUSED: "wallet.outbound_paused",
    HangupCause.SUSPENDED: "account.suspended",
}


def failure_code_of(status: CallStatus, cause: HangupCause) -> str | None:
    """What `failure_code` says of a call that ended so: null for a completed one."""
    if status is CallStatus.COMPLETED:
        return None
    return FAILURE_CODES.get(cause, cause.value)
