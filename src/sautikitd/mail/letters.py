"""What each mail says."""

from collections.abc import Sequence
from datetime import date

import msgspec

from sautikitd.events.kinds import EventKind
from sautikitd.events.models import Mode
from sautikitd.mail.letter import Letter
from sautikitd.numbers.models import NumberRecord
from sautikitd.numbers.rental_rules import RELEASED_AFTER, SUSPENDED_AFTER
from sautikitd.wallet.money import written
from sautikitd.webhooks.models import FailingEndpoint

_NAMED = 50


class PayTo(msgspec.Struct, frozen=True):
    """Where a customer pays by M-PESA without us: the Paybill's business number, and his account number there."""

    business_number: str
    account_number: str

    def facts(self) -> list[tuple[str, str]]:
        return [("Pay Bill, business number", self.business_number), ("Account number", self.account_number)]


def rental(kind: EventKind, number: NumberRecord, workspace: str, *, pay_to: PayTo | None = None) -> Letter:
    """Of `number.past_due`, `number.suspended`, `number.released` for want of money, `number.renewed` after any of them."""
    since = number.past_due_since
    facts = [("Workspace", workspace), ("Number", number.e164)]
    if kind is EventKind.NUMBER_RENEWED:
        return Letter(
            subject=_subject(number.mode, f"{number.e164} is paid for again"),
            summary=f"The rental is paid through {_day(number.paid_through)}.",
            title="Your number is paid for again",
            paragraphs=["The rental has been taken from your wallet, and calls go through. Thank you."],
            facts=[
                *facts,
                ("Taken", written(number.paid.total)),
                ("Paid through", _day(number.paid_through)),
            ],
            tone="good",
        )
    if kind is EventKind.NUMBER_RELEASED:
        return Letter(
            subject=_subject(number.mode, f"{number.e164} has been released"),
            summary="Its rental was not paid for thirty days.",
            title="A number has been released",
            paragraphs=[
                "Its rental was not paid for thirty days, so it is no longer yours. You owe nothing for it.",
                "It rests for a while before anybody else can have it. Write to support if you need it back.",
            ],
            facts=facts,
            tone="warning",
        )
    facts += [("Owed, VAT included", written(number.due_minor))]
    if since:
        facts.append(("Released on", _day(since + RELEASED_AFTER)))
    paying = pay_to.facts() if pay_to else []
    if kind is EventKind.NUMBER_SUSPENDED:
        return Letter(
            subject=_subject(number.mode, f"{number.e164} is suspended: the rental is unpaid"),
            summary="It takes no calls until its rental is paid.",
            title="A number is suspended",
            paragraphs=[
                "Its rental has not been paid for a week, so it makes and takes no calls now.",
                "Top up your wallet: it works again within seconds, and you pay only for the days left of this month.",
            ],
            facts=[*facts, *paying],
            tone="warning",
        )
    if since:
        facts.insert(-1, ("Suspended on", _day(since + SUSPENDED_AFTER)))
    return Letter(
        subject=_subject(number.mode, f"The rental of {number.e164} could not be taken"),
        summary=f"Top up {written(number.due_minor)} to keep the number.",
        title="A rental could not be taken",
        paragraphs=[
            "Your wallet does not hold enough for this month's rental. The number still works.",
            "Top up your wallet and the rental is taken at once; there is nothing else to do.",
        ],
        facts=[*facts, *paying],
        tone="warning",
    )


def renewals(numbers: Sequence[NumberRecord], workspace: str) -> Letter:
    """Of numbers of one mode whose rental was taken; the first fifty are named."""
    count = f"{len(numbers)} numbers" if len(numbers) > 1 else numbers[0].e164
    facts = [(one.e164, f"paid through {_day(one.paid_through)}") for one in numbers[:_NAMED]]
    if len(numbers) > _NAMED:
        facts.append(("Others", str(len(numbers) - _NAMED)))
    return Letter(
        subject=_subject(numbers[0].mode, f"The rental of {count} has been renewed"),
        summary="The rentals have been taken from your wallet.",
        title="Rentals renewed",
        paragraphs=[
            "The rentals below have been taken from your wallet; your statement has the amounts and VAT."
        ],
        facts=[("Workspace", workspace), *facts],
        tone="good",
    )


def given_back(number: NumberRecord, workspace: str) -> Letter:
    """Of a number released on request, by a person or a key."""
    return Letter(
        subject=_subject(number.mode, f"{number.e164} has been released"),
        summary=f"{written(number.refund.total)} came back to your wallet.",
        title="A number has been released",
        paragraphs=[
            "It was released on request and is no longer yours; what was paid for unused days is in your wallet.",
            "If that was not you, revoke your API keys and write to support.",
        ],
        facts=[("Workspace", workspace), ("Number", number.e164), ("Refund", written(number.refund.total))],
    )


def low_balance(
    mode: Mode,
    workspace: str,
    balance_minor: int,
    threshold_minor: int,
    *,
    why: str,
    pay_to: PayTo | None = None,
) -> Letter:
    return Letter(
        subject=_subject(mode, f"Low balance: {written(balance_minor)} left in {workspace}"),
        summary="Top up before calls and rentals stop.",
        title="Your balance is low",
        paragraphs=[
            "The wallet has fallen below the threshold you set. When it is empty, outbound calls and rentals stop; "
            "inbound calls go on.",
            "You hear this once, and again only after the balance has been above the threshold.",
        ],
        facts=[
            ("Workspace", workspace),
            ("Balance", written(balance_minor)),
            ("Threshold", written(threshold_minor)),
            *(pay_to.facts() if pay_to else ()),
        ],
        why=why,
        tone="warning",
    )


def confirm_alerts(workspace: str, url: str) -> Letter:
    return Letter(
        subject=f"Confirm: low-balance alerts of {workspace}",
        summary="One click, and you will be told when the balance is low.",
        title="Do you want these alerts?",
        paragraphs=[
            f"Somebody at {workspace} asked that you be told by mail when their wallet runs low.",
            "Confirm within seven days if that is right. If it is not, do nothing: you will not hear from us again.",
        ],
        action=("Confirm alerts", url),
        why="You get this one mail because your address was entered; nothing more follows unless you confirm.",
    )


def webhook_disabled(endpoint: FailingEndpoint, workspace: str, *, gone: bool) -> Letter:
    """Of a webhook, or of a number's or a call's URL, which is no thing of its own to switch on."""
    what = "A webhook" if endpoint.webhook_id else "A URL for events"
    reason = "Your server answered a delivery with 410 Gone, which tells us to stop."
    if not gone:
        reason = "Your server has not accepted a single delivery for five days."
    facts = [("Workspace", workspace), ("URL", endpoint.url)]
    if endpoint.webhook_id:
        facts.append(("Webhook", str(endpoint.webhook_id)))
        again = (
            "Once your server is well again, switch it on (PATCH /v1/webhooks/{id} with enabled: true) and have what it "
            "missed sent again (POST /v1/webhooks/{id}/replay with from and only_failed: true)."
        )
    else:
        again = "We try it again after a day, or as soon as events_url of the number is set anew."
    if endpoint.failing_since is not None and not gone:
        facts.append(("Failing since", f"{endpoint.failing_since:%-d %B %Y, %H:%M} UTC"))
        facts.append(("Attempts that failed", f"{endpoint.failures:,}"))
    return Letter(
        subject=_subject(endpoint.mode, f"{what} has been switched off"),
        summary=reason,
        title=f"{what} has been switched off",
        paragraphs=[
            reason,
            "Nothing is lost: every event is kept, and GET /v1/events lists them.",
            again,
        ],
        facts=facts,
        tone="warning",
    )


def outbound_paused(mode: Mode, workspace: str, reason: str) -> Letter:
    return Letter(
        subject=_subject(mode, f"Outbound calls of {workspace} are paused"),
        summary=reason,
        title="Outbound calls are paused",
        paragraphs=[
            f"{reason} That may be fraud, so we stopped placing calls. Calls in progress and inbound calls go on.",
            "If the calls are yours, ask support to resume them. If not, revoke your API keys first.",
        ],
        facts=[("Workspace", workspace)],
        tone="warning",
    )


def _subject(mode: Mode, text: str) -> str:
    return text if mode == "live" else f"[Test] {text}"


def _day(day: date | None) -> str:
    return f"{day.day} {day:%B %Y}" if day else ""
