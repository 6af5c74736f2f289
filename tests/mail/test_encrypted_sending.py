"""Mail to a server that wants STARTTLS (RFC 3207) and a login (RFC 4954): aiosmtpd, an implementation of others."""

import asyncio
import ssl
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from ipaddress import ip_address
from pathlib import Path

import pytest
from aiosmtpd.smtp import SMTP, AuthResult, Envelope, LoginPassword, Session
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from factories import Platform
from sautikitd.clock import ManualClock
from sautikitd.database.pool import Database
from sautikitd.mail.letter import Letter
from sautikitd.mail.outbox import Mail, post
from sautikitd.mail.sender import MailSender

LETTER = Letter(subject="Receipt", summary="s", title="t", paragraphs=["p"], facts=[])


@dataclass
class Postmaster:
    """Takes mail from whoever logs in as `duka` with `siri kali`."""

    taken: list[tuple[bool, object, str]] = field(default_factory=list)

    async def handle_DATA(  # noqa: N802 (aiosmtpd looks for it by this name)
        self, server: SMTP, session: Session, envelope: Envelope
    ) -> str:
        self.taken.append((session.ssl is not None, session.auth_data, envelope.rcpt_tos[0]))
        return "250 kept"

    def __call__(
        self, server: SMTP, session: Session, envelope: Envelope, mechanism: str, auth: object
    ) -> AuthResult:
        right = isinstance(auth, LoginPassword) and (auth.login, auth.password) == (b"duka", b"siri kali")
        return AuthResult(success=right, handled=False, auth_data="duka" if right else None)


@pytest.fixture(scope="module")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Of 127.0.0.1, with its key, in one PEM file."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "mx.test")])
    now = datetime.now(UTC)
    made = (
        x509.CertificateBuilder(name, name, key.public_key(), x509.random_serial_number())
        .not_valid_before(now - timedelta(hours=1))
        .not_valid_after(now + timedelta(hours=1))
        .add_extension(x509.SubjectAlternativeName([x509.IPAddress(ip_address("127.0.0.1"))]), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .sign(key, hashes.SHA256())
    )
    file = tmp_path_factory.mktemp("smtp") / "mx.pem"
    private = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    file.write_bytes(private + made.public_bytes(serialization.Encoding.PEM))
    return file


@pytest.fixture
def postmaster() -> Postmaster:
    return Postmaster()


@pytest.fixture
async def port(postmaster: Postmaster, certificate: Path) -> AsyncIterator[int]:
    """Of a server that takes nothing in clear and nothing without a login."""
    tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    tls.load_cert_chain(certificate)
    server = await asyncio.get_running_loop().create_server(
        lambda: SMTP(
            postmaster, tls_context=tls, require_starttls=True, auth_required=True, authenticator=postmaster
        ),
        "127.0.0.1",
        0,
    )
    async with server:
        yield server.sockets[0].getsockname()[1]


@pytest.fixture
async def platform(database: Database) -> Platform:
    made = await Platform.on(database, ManualClock())
    async with database.transaction() as connection:
        await post(connection, [Mail(recipient="mama@example.co.ke", letter=LETTER)], made.clock.now())
    return made


def _sender(platform: Platform, url: str, trusted: Path | None) -> MailSender:
    tls = ssl.create_default_context(cafile=trusted)
    return MailSender(platform.database, platform.clock, smtp_url=url, sender="a@sautikit.test", tls=tls)


async def _state(platform: Platform) -> tuple[bool, bool, str]:
    async with platform.database.connection() as connection:
        row = await connection.fetchrow("SELECT sent_at, failed_at, coalesce(error, '') AS error FROM mails")
    assert row is not None
    return row["sent_at"] is not None, row["failed_at"] is not None, row["error"]


async def test_a_password_is_said_under_tls_and_the_mail_is_taken(
    platform: Platform, postmaster: Postmaster, port: int, certificate: Path
) -> None:
    sender = _sender(platform, f"smtp://duka:siri%20kali@127.0.0.1:{port}", certificate)
    await sender.send_batch()
    assert postmaster.taken == [(True, "duka", "mama@example.co.ke")]
    assert await _state(platform) == (True, False, "")


async def test_a_wrong_password_of_ours_loses_no_mail_and_is_not_in_the_error(
    platform: Platform, postmaster: Postmaster, port: int, certificate: Path
) -> None:
    await _sender(platform, f"smtp://duka:wrong-one@127.0.0.1:{port}", certificate).send_batch()
    sent, given_up, error = await _state(platform)
    assert (sent, given_up) == (False, False)
    assert postmaster.taken == []
    assert "535" in error
    assert "wrong-one" not in error


async def test_a_server_that_nobody_vouches_for_hears_no_password(
    platform: Platform, postmaster: Postmaster, port: int
) -> None:
    await _sender(platform, f"smtp://duka:siri%20kali@127.0.0.1:{port}", None).send_batch()
    assert postmaster.taken == []
    sent, given_up, error = await _state(platform)
    assert (sent, given_up) == (False, False)  # tried again: the certificate may be mended
    assert "certificate" in error.lower()
