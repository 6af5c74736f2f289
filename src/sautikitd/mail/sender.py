"""Sends what is in the outbox over SMTP (RFC 5321), a mail at a time, with retries."""

import asyncio
import ssl
from collections.abc import Sequence
from datetime import datetime
from email.message import EmailMessage
from email.utils import format_datetime
from urllib.parse import unquote, urlsplit

import aiosmtplib
import structlog

from sautikitd.clock import Clock
from sautikitd.database.pool import Database, DatabaseUnavailable, Record

log = structlog.get_logger()
_BATCH = 20
_EVERY_SECONDS = 2.0
_TIMEOUT_SECONDS = 20.0
ATTEMPTS = 10


class MailSender:
    """`smtp_url`: smtp://user:password@host:587 (STARTTLS where offered; required with a password) or smtps://host:465.

    `tls` says whom to trust, for servers with a certificate of the operator's own; default the system's authorities.
    """

    def __init__(
        self,
        database: Database,
        clock: Clock,
        *,
        smtp_url: str | None,
        sender: str,
        tls: ssl.SSLContext | None = None,
    ) -> None:
        self._database = database
        self._clock = clock
        self._server = urlsplit(smtp_url) if smtp_url else None
        self._sender = sender
        self._tls = tls

    async def run(self) -> None:
        """Sends until cancelled. Without a server to send to, mails wait in the outbox."""
        if self._server is None:
            log.warning("mail waits: SAUTIKIT_SMTP_URL is not set")
            await asyncio.Event().wait()
        while True:
            try:
                tried = await self.send_batch()
            except DatabaseUnavailable as exc:
                log.warning("mail waits for the database", error=repr(exc))
                tried = 0
            await self._clock.sleep(0 if tried == _BATCH else _EVERY_SECONDS)

    async def send_batch(self) -> int:
        """Sends what is due, up to a batch; returns how many were tried.

        A mail is claimed by putting its next attempt off before it is tried, so that nobody else sends it meanwhile.
        Attempt n is followed by a wait of 2^n minutes; after ten the mail is given up. Only a crash between the
        server's yes and our note of it sends a mail again, under the same Message-ID.
        """
        async with self._database.connection() as connection:
            claimed = await connection.fetch(_CLAIM, self._clock.now(), _BATCH)
        await asyncio.gather(*(self._send(row) for row in claimed))
        return len(claimed)

    async def _send(self, row: Record) -> None:
        error = None
        permanent = False
        try:
            await self._deliver(row)
        except aiosmtplib.SMTPAuthenticationError as exc:
            error = f"{exc.code} {exc.message}"  # ours to mend: no word about this mail
        except aiosmtplib.SMTPResponseException as exc:
            error, permanent = f"{exc.code} {exc.message}", 500 <= exc.code < 600
        except aiosmtplib.SMTPRecipientsRefused as exc:
            refused = exc.recipients[0]
            error, permanent = f"{refused.code} {refused.message}", 500 <= refused.code < 600
        except (aiosmtplib.SMTPException, OSError, TimeoutError) as exc:
            error = repr(exc)
        if error:
            log.warning("mail not sent", mail=str(row["id"]), attempt=row["attempts"], error=error)
        given_up = error is not None and (permanent or row["attempts"] >= ATTEMPTS)
        async with self._database.connection() as connection:
            await connection.execute(_NOTE, row["id"], self._clock.now(), error, given_up)

    async def _deliver(self, row: Record) -> None:
        server = self._server
        if server is None:
            raise ValueError("there is no server to send to")
        password = unquote(server.password) if server.password else None
        await aiosmtplib.send(
            message_of(row, self._sender, self._clock.now()),
            hostname=server.hostname,
            port=server.port or (465 if server.scheme == "smtps" else 25),
            username=unquote(server.username) if server.username else None,
            password=password,
            use_tls=server.scheme == "smtps",
            start_tls=True if password and server.scheme == "smtp" else None,
            tls_context=self._tls,
            timeout=_TIMEOUT_SECONDS,
        )


def message_of(row: Record, sender: str, now: datetime) -> EmailMessage:
    """HTML and text (RFC 2046 §5.1.4); with `List-Unsubscribe` and `List-Unsubscribe-Post` (RFC 8058 §3.1).

    A mail of a test workspace whose clock was moved is not dated in the future, which would make it look like spam.
    """
    message = EmailMessage()
    created = min(row["created_at"], now)
    headers: Sequence[tuple[str, str]] = (
        ("From", sender),
        ("To", row["recipient"]),
        ("Subject", row["subject"]),
        ("Date", format_datetime(created)),
        ("Message-ID", f"<{row['id']}@{sender.rpartition('@')[2].strip('> ')}>"),
        ("Auto-Submitted", "auto-generated"),
    )
    for name, value in headers:
        message[name] = value
    if row["unsubscribe_url"]:
        message["List-Unsubscribe"] = f"<{row['unsubscribe_url']}>"
        message["List-Unsubscribe-Post"] = "List-Unsubscribe=One-Click"
    message.set_content(row["plain"])
    message.add_alternative(row["html"], subtype="html")
    return message


_CLAIM = """
UPDATE mails SET attempts = attempts + 1, due_at = $1 + make_interval(mins => (2 ^ least(attempts + 1, 10))::int)
WHERE id = ANY (ARRAY(
    SELECT id FROM mails WHERE sent_at IS NULL AND failed_at IS NULL AND due_at <= $1
    ORDER BY due_at LIMIT $2 FOR UPDATE SKIP LOCKED))
RETURNING *
"""

_NOTE = """
UPDATE mails SET error = $3, sent_at = CASE WHEN $3::text IS NULL THEN $2::timestamptz END,
  failed_at = CASE WHEN $4 THEN $2::timestamptz END
WHERE id = $1
"""
