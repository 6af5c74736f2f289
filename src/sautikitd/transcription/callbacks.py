"""The callback of a transcription in Twilio's words, for calls whose handlers were written for Twilio
(twilio.com/docs/voice/twiml/record, "transcribeCallback"). All other callbacks are events, sent by the outbox."""

from datetime import timedelta

import structlog

from sautikitd.clock import Clock
from sautikitd.database.pool import Database
from sautikitd.egress.client import EgressClient
from sautikitd.egress.failures import EgressFailure
from sautikitd.flow.callbacks.question import Method
from sautikitd.flow.callbacks.request import FORM, prepare
from sautikitd.flow.callbacks.twilio import API_VERSION, TwilioVocabulary
from sautikitd.flow.callbacks.vocabulary import Parameters
from sautikitd.flow.xml.values import call_sid_of
from sautikitd.identity.signing_secrets import SigningSecrets
from sautikitd.transcription import repository
from sautikitd.transcription.models import StoredTranscription

log = structlog.get_logger()

GAPS = (timedelta(seconds=30), timedelta(minutes=2), timedelta(minutes=10), timedelta(hours=1))
"""Between one attempt and the next; when they are used up it is not sent any more."""

LEASE = timedelta(minutes=1)
"""An attempt that has not come back by then was killed: it is made again."""


class TranscriptionCallbacks:
    def __init__(
        self,
        *,
        database: Database,
        egress: EgressClient,
        secrets: SigningSecrets,
        clock: Clock,
        public_url: str,
    ) -> None:
        """`egress` is guarded as all that customers choose is."""
        self._database = database
        self._egress = egress
        self._secrets = secrets
        self._clock = clock
        self._public_url = public_url
        self._vocabulary = TwilioVocabulary()

    async def send_one(self) -> bool:
        """Sends the one that has waited longest; False when none is due. Raises one of `DatabaseUnavailable`."""
        now = self._clock.now()
        async with self._database.transaction() as connection:
            claimed = await repository.claim_callback(connection, now, now + LEASE)
            if claimed is None:
                return False
            secrets = await self._secrets.valid(connection, claimed.workspace_id, claimed.mode)
        failure = await self._send(claimed, list(secrets))
        due_at = None
        if failure:
            log.warning(
                "transcription.callback_failed", recording_id=str(claimed.recording_id), error=failure
            )
            if claimed.callback_attempts <= len(GAPS):
                due_at = self._clock.now() + GAPS[claimed.callback_attempts - 1]
        async with self._database.transaction() as connection:
            await repository.owe_callback(connection, claimed.recording_id, due_at)
        return True

    async def _send(self, claimed: StoredTranscription, secrets: list[str]) -> str:
        """Why it failed; "" when it was taken."""
        if claimed.callback_url is None:
            return ""
        try:
            prepared = prepare(claimed.callback_url, Method.POST, self._form(claimed), None)
            headers = self._vocabulary.signature(prepared, secrets, self._clock.now())
            exchange = await self._egress.request(
                "POST",
                prepared.url,
                live=claimed.mode == "live",
                headers={**headers, "Content-Type": FORM},
                body=prepared.payload,
            )
        except (EgressFailure, ValueError) as error:
            return str(error)
        return "" if exchange.ok else f"status {exchange.status}"

    def _form(self, stored: StoredTranscription) -> Parameters:
        recording = f"{self._public_url}/v1/recordings/{stored.recording_id}"
        fields: Parameters = [
            ("TranscriptionSid", f"TR{stored.recording_id.hex}"),
            ("TranscriptionText", stored.text or ""),
            ("TranscriptionStatus", stored.status.value),
            ("TranscriptionUrl", f"{recording}/transcription"),
            ("RecordingSid", f"RE{stored.recording_id.hex}"),
            ("RecordingUrl", f"{recording}/media"),
            ("CallSid", call_sid_of(stored.call_id)),
            ("AccountSid", f"AC{stored.workspace_id.hex}"),
            ("From", stored.from_address),
            ("To", stored.to_address),
            ("Caller", stored.from_address),
            ("Called", stored.to_address),
            ("CallStatus", "in-progress" if stored.call_status == "answered" else "completed"),
            ("ApiVersion", API_VERSION),
            ("Direction", "inbound" if stored.direction == "inbound" else "outbound-api"),
        ]
        return [(name, value) for name, value in fields if value]
