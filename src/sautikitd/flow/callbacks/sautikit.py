"""Our own vocabulary (contract §5), and the default."""

from collections.abc import Sequence
from datetime import datetime

from sautikitd.egress.signatures import SIGNATURE_HEADER, sign
from sautikitd.flow.callbacks.vocabulary import Asking, EndReport, Parameters, Prepared
from sautikitd.flow.context import CallbackFormat, CallOutcome
from sautikitd.flow.xml.element import Dialect


class SautikitVocabulary:
    """Fields that have no value are left out. `amount` is a decimal in `currencyCode` (`1.05`), told with
    the last report; `durationInSeconds` counts from the answer, so far or in all."""

    format = CallbackFormat.SAUTIKIT
    end_report = EndReport.VOICE_CALLBACK
    dialect: Dialect | None = None
    accept = "application/json, application/xml;q=0.9, text/xml;q=0.9"

    def parameters(self, asking: Asking) -> Parameters:
        context, question = asking.context, asking.question
        fields: Parameters = [
            ("callId", str(context.call_id)),
            ("sessionId", context.session_id),
            ("callSessionState", asking.state.value),
            ("isActive", "0" if asking.outcome is not None else "1"),
            ("direction", context.direction.value),
            ("callerNumber", context.from_number),
            ("destinationNumber", context.to_number),
            ("From", context.from_number),
            ("To", context.to_number),
            ("Digits", question.digits),
            ("dtmfDigits", question.digits),
            ("clientRequestId", context.client_request_id or ""),
            ("answeredBy", context.answered_by or ""),
            *question.results.items(),
            *_ending(asking.outcome, context.currency, asking.duration_seconds),
        ]
        return [(name, value) for name, value in fields if value]

    def signature(self, prepared: Prepared, secrets: Sequence[str], now: datetime) -> dict[str, str]:
        return {SIGNATURE_HEADER: sign(prepared.payload, secrets, int(now.timestamp()))} if secrets else {}


def _ending(outcome: CallOutcome | None, currency: str, so_far: int) -> Parameters:
    if outcome is None:
        return [("durationInSeconds", str(so_far))]
    return [
        ("durationInSeconds", str(outcome.duration_seconds)),
        ("recordingUrl", outcome.recording_url),
        ("amount", outcome.amount),
        ("currencyCode", currency),
        ("hangupCause", outcome.hangup_cause),
    ]
