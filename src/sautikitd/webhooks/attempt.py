"""One attempt: build, sign, send, judge."""

import random
from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from typing import Protocol

from sautikitd.clock import Clock
from sautikitd.egress.client import EgressLimits, Exchange
from sautikitd.egress.failures import EgressFailure
from sautikitd.egress.signatures import SIGNATURE_HEADER, sign, standard_webhooks_headers
from sautikitd.events.envelope import SealedEnvelope, without_spaces
from sautikitd.timestamps import rfc3339
from sautikitd.webhooks.models import Attempt, ClaimedDelivery, DeliveryStatus, Outcome
from sautikitd.webhooks.schedule import next_attempt, parse_retry_after
from sautikitd.webhooks.twilio_words import twilio_body, twilio_headers, twilio_parameters

RESPONSE_KEPT = 2 * 1024
"""Bytes of a response that the delivery log keeps."""

# A response a little longer than what is kept is read to its end, so that its connection can be used again.
LIMITS = EgressLimits(total_s=10.0, connect_s=5.0, body_bytes=16 * 1024, truncate=True)

SECRET_UNSET = "webhooks.deliver.secret_unset"
"""No valid secret: nothing is sent unsigned. Set one, then redeliver."""

ENDPOINT_CLOSED = "the endpoint was disabled or deleted"


class Client(Protocol):
    """What of `EgressClient` is needed here."""

    async def request(
        self,
        method: str,
        url: str,
        *,
        live: bool,
        headers: Mapping[str, str] | None = None,
        body: bytes | None = None,
        limits: EgressLimits | None = None,
        repeatable: bool = False,
    ) -> Exchange: ...


class Sender:
    def __init__(self, client: Client, clock: Clock, randomness: random.Random) -> None:
        self._client = client
        self._clock = clock
        self._randomness = randomness

    async def send(self, delivery: ClaimedDelivery, secrets: Sequence[str]) -> Outcome:
        """Makes one attempt. A failure of the endpoint is an outcome, not an exception."""
        if not delivery.open:
            return Outcome(delivery=delivery, status=DeliveryStatus.DISCARDED, error=ENDPOINT_CLOSED)
        if not secrets:
            return Outcome(delivery=delivery, status=DeliveryStatus.DEAD_LETTER, error=SECRET_UNSET)
        started_at = self._clock.now()
        body, headers = _written(delivery, secrets, int(started_at.timestamp()))
        live = delivery.mode == "live"
        try:
            exchange = await self._client.request(
                "POST",
                delivery.url,
                live=live,
                headers=headers,
                body=body,
                limits=LIMITS,
                repeatable=True,  # receivers drop a second one by its delivery id
            )
        except EgressFailure as failure:
            attempt = Attempt(
                url=delivery.url,
                request_headers=headers,
                started_at=started_at,
                duration_ms=failure.duration_ms,
                error=_storable(str(failure)),
            )
            return self._failed(delivery, attempt, None)
        return self._judged(delivery, exchange, headers, started_at=started_at)

    def broken(self, delivery: ClaimedDelivery, error: Exception) -> Outcome:
        """The outcome of an attempt that our own fault kept from being made: a failure like any other."""
        attempt = Attempt(
            url=delivery.url,
            request_headers={},
            started_at=self._clock.now(),
            duration_ms=0,
            error=f"internal: {type(error).__name__}",
        )
        return self._failed(delivery, attempt, None)

    def _judged(
        self,
        delivery: ClaimedDelivery,
        exchange: Exchange,
        headers: Mapping[str, str],
        *,
        started_at: datetime,
    ) -> Outcome:
        attempt = Attempt(
            url=delivery.url,
            request_headers=headers,
            started_at=started_at,
            duration_ms=exchange.duration_ms,
            response_status=exchange.status,
            response_headers=_kept_headers(exchange.headers),
            response_body=_kept(exchange.body),
            error=None if exchange.ok else f"status: answered {exchange.status}",
        )
        if exchange.ok:
            return Outcome(delivery=delivery, status=DeliveryStatus.SUCCEEDED, attempt=attempt)
        if exchange.status == 410:
            return Outcome(
                delivery=delivery,
                status=DeliveryStatus.DISCARDED,
                attempt=attempt,
                gone=True,
                error="status: answered 410, the endpoint is disabled",
            )
        return self._failed(delivery, attempt, exchange.headers.get("retry-after"))

    def _failed(self, delivery: ClaimedDelivery, attempt: Attempt, retry_after: str | None) -> Outcome:
        failed_at = attempt.started_at + timedelta(milliseconds=attempt.duration_ms)
        due_at = next_attempt(failed_at, delivery.attempts + 1, retry_after, self._randomness)
        return Outcome(
            delivery=delivery,
            status=DeliveryStatus.DEAD_LETTER if due_at is None else DeliveryStatus.PENDING,
            due_at=due_at,
            attempt=attempt,
            pause=parse_retry_after(retry_after, failed_at),
            error=attempt.error,
        )


def _written(
    delivery: ClaimedDelivery, secrets: Sequence[str], timestamp: int
) -> tuple[bytes, dict[str, str]]:
    """The body and the headers: our envelope, or a form in the words of whoever the handler was written for."""
    if delivery.form is None:
        body = body_for(delivery)
        return body, headers_for(delivery, body, secrets, timestamp)
    parameters = twilio_parameters(delivery)
    # One header holds one signature: the older secret's, as in voice callbacks.
    return twilio_body(parameters), twilio_headers(delivery.url, parameters, secrets[-1])


def body_for(delivery: ClaimedDelivery) -> bytes:
    """The same bytes for every delivery and attempt of one event."""
    return SealedEnvelope(
        kind=delivery.kind,
        event_id=delivery.event_id,
        workspace_id=delivery.workspace_id,
        mode=delivery.mode,
        occurred_at=rfc3339(delivery.occurred_at),
        data=without_spaces(delivery.data),
    ).body()


def headers_for(
    delivery: ClaimedDelivery, body: bytes, secrets: Sequence[str], timestamp: int
) -> dict[str, str]:
    """All headers of a delivery. `webhook-id` is the event's id: the key receivers drop duplicates by."""
    return {
        "Content-Type": "application/json",
        SIGNATURE_HEADER: sign(body, secrets, timestamp),
        "X-Sautikit-Event-Id": str(delivery.event_id),
        "X-Sautikit-Event-Kind": delivery.kind,
        "X-Sautikit-Delivery-Id": str(delivery.id),
        **standard_webhooks_headers(str(delivery.event_id), body, secrets, timestamp),
    }


def _kept(body: bytes) -> str:
    return _storable(body[:RESPONSE_KEPT].decode(errors="replace"))


def _kept_headers(headers: Mapping[str, str]) -> dict[str, str]:
    """At most 50 headers, 500 characters of each."""
    return {_storable(name[:100]): _storable(value[:500]) for name, value in list(headers.items())[:50]}


def _storable(text: str) -> str:
    """PostgreSQL text holds neither NUL nor lone surrogates (what header bytes that are not UTF-8 become)."""
    if text.isascii() and "\x00" not in text:
        return text
    return text.replace("\x00", "\ufffd").encode("utf-8", "replace").decode()
