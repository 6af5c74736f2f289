"""Mail over a real SMTP conversation."""

import asyncio
from collections.abc import AsyncIterator
from email.message import EmailMessage

import httpx
import pytest

from factories import Platform, advance
from sautikitd.clock import ManualClock
from sautikitd.database.pool import Database
from sautikitd.ids import uuid7
from sautikitd.mail.letter import Letter
from sautikitd.mail.outbox import Mail, post
from sautikitd.mail.sender import ATTEMPTS, MailSender
from sautikitd.simulators.mail.page import MailPages, serving
from sautikitd.simulators.mail.server import Mailbox

LETTER = Letter(
    subject="Prüfung: KES 5 & more",
    summary="s",
    title="Title <b>",
    paragraphs=[".", "..and a line that begins with dots"],
    facts=[("Name", "Value")],
)


@pytest.fixture
def box() -> Mailbox:
    return Mailbox()


@pytest.fixture
async def platform(database: Database) -> Platform:
    return await Platform.on(database, ManualClock())


@pytest.fixture
async def sender(platform: Platform, box: Mailbox) -> AsyncIterator[MailSender]:
    async with box.listening("127.0.0.1", 0) as port:
        yield MailSender(
            platform.database,
            platform.clock,
            smtp_url=f"smtp://127.0.0.1:{port}",
            sender="Sautikit <no-reply@sautikit.test>",
        )


async def write(platform: Platform, *recipients: str, unsubscribe_url: str | None = None) -> None:
    mails = [Mail(recipient=one, letter=LETTER, unsubscribe_url=unsubscribe_url) for one in recipients]
    async with platform.database.transaction() as connection:
        await post(connection, mails, platform.clock.now())


def part(mail: EmailMessage, kind: str) -> str:
    body = mail.get_body((kind,))
    assert body is not None
    content: str = body.get_content()
    return content


async def test_a_mail_arrives_once_in_both_forms(
    platform: Platform, box: Mailbox, sender: MailSender
) -> None:
    await write(platform, "a@example.co.ke", unsubscribe_url="https://api.test/alerts/unsubscribe/x")
    await asyncio.gather(*(sender.send_batch() for _ in range(4)))
    assert len(box.mails) == 1
    mail = box.mails[0]
    assert (mail["to"], mail["subject"]) == ("a@example.co.ke", LETTER.subject)
    assert mail["list-unsubscribe"] == "<https://api.test/alerts/unsubscribe/x>"
    assert mail["list-unsubscribe-post"] == "List-Unsubscribe=One-Click"
    assert "\n..and a line" in part(mail, "plain").replace("\r\n", "\n")
    assert "Title &lt;b&gt;" in part(mail, "html")


async def test_a_server_that_is_busy_is_tried_again_later(
    platform: Platform, box: Mailbox, sender: MailSender
) -> None:
    box.refuse = lambda _: "451 come back later"
    await write(platform, "a@example.co.ke")
    assert await sender.send_batch() == 1
    assert await sender.send_batch() == 0
    box.refuse = lambda _: None
    advance(platform.clock, minutes=2)
    await sender.send_batch()
    assert len(box.mails) == 1


async def test_an_address_that_does_not_exist_is_given_up_and_the_others_are_sent(
    platform: Platform, box: Mailbox, sender: MailSender
) -> None:
    box.refuse = lambda who: "550 nobody here" if who.startswith("gone") else None
    await write(platform, "gone@example.co.ke", "here@example.co.ke")
    for _ in range(ATTEMPTS + 1):
        await sender.send_batch()
        advance(platform.clock, days=1)
    assert [mail["to"] for mail in box.mails] == ["here@example.co.ke"]
    async with platform.database.connection() as connection:
        row = await connection.fetchrow("SELECT * FROM mails WHERE recipient LIKE 'gone%'")
    assert (row["attempts"], row["sent_at"]) == (1, None)
    assert "550" in row["error"]


async def test_a_change_rolled_back_sends_nothing(
    platform: Platform, box: Mailbox, sender: MailSender
) -> None:
    async with platform.database.connection() as connection:
        transaction = connection.transaction()
        await transaction.start()
        await post(connection, [Mail(recipient="a@example.co.ke", letter=LETTER)], platform.clock.now())
        await transaction.rollback()
    assert await sender.send_batch() == 0


async def test_the_page_of_development_shows_what_came(
    platform: Platform, box: Mailbox, sender: MailSender
) -> None:
    await write(platform, f"{uuid7()}@example.co.ke")
    await sender.send_batch()
    async with (
        serving(MailPages(box), "127.0.0.1", 0) as port,
        httpx.AsyncClient(base_url=f"http://127.0.0.1:{port}") as browser,
    ):
        assert "Prüfung: KES 5 &amp; more" in (await browser.get("/dev/mail")).text
        shown = await browser.get("/dev/mail/1")
        assert "sandbox" in shown.headers["content-security-policy"]
        assert "Title &lt;b&gt;" in shown.text
        assert (await browser.get("/dev/mail/7")).status_code == 404
