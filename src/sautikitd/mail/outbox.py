"""The outbox: mails written in the transaction of the change they tell of."""

from collections.abc import Sequence
from datetime import datetime
from uuid import UUID

import msgspec

from sautikitd.database.pool import Connection
from sautikitd.ids import uuid7
from sautikitd.mail.letter import Letter, as_html, as_text


class Mail(msgspec.Struct, frozen=True, kw_only=True):
    """One letter to one address. `unsubscribe_url` takes the POST of RFC 8058."""

    recipient: str
    letter: Letter
    workspace_id: UUID | None = None
    unsubscribe_url: str | None = None


async def post(connection: Connection, mails: Sequence[Mail], now: datetime) -> None:
    """Writes mails; the worker sends them once the transaction has committed."""
    if not mails:
        return
    await connection.executemany(
        _POST,
        [
            (
                uuid7(),
                mail.workspace_id,
                mail.recipient,
                mail.letter.subject,
                as_html(mail.letter, mail.unsubscribe_url),
                as_text(mail.letter, mail.unsubscribe_url),
                mail.unsubscribe_url,
                now,
            )
            for mail in mails
        ],
    )


_POST = """
INSERT INTO mails (id, workspace_id, recipient, subject, html, plain, unsubscribe_url, created_at, due_at)
VALUES ($1, $2, $3, $4, $5, $6, $7, $8, least($8, clock_timestamp()))
"""
