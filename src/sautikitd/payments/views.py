"""Top-ups as the API shows them."""

from uuid import UUID

import msgspec

from sautikitd.payments import models
from sautikitd.payments.result_codes import words_of
from sautikitd.timestamps import rfc3339, shown
from sautikitd.wallet.money import CURRENCY


class TopUp(msgspec.Struct, kw_only=True):
    """`reference` is what the payer's M-PESA message shows. A failure comes with its reason and what to do.

    `late`: the money came after the top-up had failed. `provider_reference` is the M-PESA receipt; it may come
    a while after `succeeded`.
    """

    id: UUID
    status: models.TopUpStatus
    amount_minor: int
    currency: str
    provider: str
    channel: models.Channel
    phone_e164: str | None
    reference: str
    provider_reference: str | None
    failure_code: str | None
    failure_reason: str | None
    advice: str | None
    late: bool
    mode: str
    created_at: str
    completed_at: str | None


class TopUpShown(msgspec.Struct):
    topup: TopUp


class TopUpMade(msgspec.Struct, kw_only=True):
    """`mpesa_account_ref` is the workspace's account at the Paybill, for paying without a prompt."""

    topup_id: UUID
    status: models.TopUpStatus
    mpesa_account_ref: str
    topup: TopUp


def show(topup: models.TopUp) -> TopUp:
    words = words_of(topup.failure_code)
    return TopUp(
        id=topup.id,
        status=topup.status,
        amount_minor=topup.amount_minor,
        currency=CURRENCY,
        provider="mpesa",
        channel=topup.channel,
        phone_e164=topup.phone_e164,
        reference=topup.reference,
        provider_reference=topup.receipt,
        failure_code=topup.failure_code,
        failure_reason=words.reason if words else None,
        advice=words.advice if words else None,
        late=topup.late,
        mode=topup.mode,
        created_at=rfc3339(topup.created_at),
        completed_at=shown(topup.completed_at),
    )
