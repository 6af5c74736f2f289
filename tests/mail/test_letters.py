"""What mails say, where it depends on what happened."""

from datetime import UTC, datetime
from uuid import UUID

import pytest

from sautikitd.mail import letters
from sautikitd.mail.letter import as_html, as_text
from sautikitd.webhooks.models import FailingEndpoint

WEBHOOK = UUID("01939f3e-7c1a-7b52-9d6a-3f0c2f6f1a11")
LONG = f"https://hooks.example.co.ke/{'a' * 60}?shop=<1>"


def _failing(webhook_id: UUID | None) -> FailingEndpoint:
    return FailingEndpoint(
        endpoint_id=UUID(int=1),
        workspace_id=UUID(int=2),
        mode="live",
        webhook_id=webhook_id,
        url=LONG,
        failing_since=datetime(2026, 11, 23, 9, 5, tzinfo=UTC),
        failures=1234,
    )


@pytest.mark.parametrize(
    ("webhook_id", "gone", "says", "says_not"),
    [
        (
            WEBHOOK,
            False,
            ["five days", "/replay", str(WEBHOOK), "23 November 2026, 09:05 UTC", "1,234"],
            "410",
        ),
        (WEBHOOK, True, ["410 Gone", "/replay", str(WEBHOOK)], "Failing since"),
        (None, False, ["five days", "after a day", "events_url"], "/replay"),
    ],
)
def test_the_mail_about_a_webhook_switched_off_says_why_since_when_and_how_to_go_on(
    webhook_id: UUID | None, gone: bool, says: list[str], says_not: str
) -> None:
    letter = letters.webhook_disabled(_failing(webhook_id), "Duka", gone=gone)
    text = " ".join(as_text(letter).split())
    assert [one for one in [*says, LONG, "every event is kept"] if one not in text] == []
    assert says_not not in text


def test_a_long_value_has_a_line_of_its_own_and_is_escaped() -> None:
    html = as_html(letters.webhook_disabled(_failing(WEBHOOK), "Duka", gone=False))
    assert "?shop=&lt;1&gt;" in html
    assert html.count('<td colspan="2"') == 2  # the URL and the webhook's id
