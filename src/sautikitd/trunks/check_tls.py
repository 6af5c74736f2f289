"""What is wrong with a trunk's TLS: its certificate, its port, or our clock."""

import asyncio
import ssl
from datetime import UTC, datetime

from cryptography import x509

from sautikitd.trunks.findings import Finding, OurSide, Verdict
from sautikitd.trunks.models import Trunk
from sautikitd.voice.sip.tls import TlsOptions

STEP = "certificate"
_SOON_DAYS = 14

# X509_V_ERR_… of OpenSSL's x509_vfy.h.
_NOT_YET_VALID, _EXPIRED = 9, 10
_SELF_SIGNED = (18, 19)
_UNKNOWN_ISSUER = (20, 21)
_OTHER_NAME = (62, 64)


async def check_tls(trunk: Trunk, ours: OurSide | None, patience: float) -> Finding:
    """Shakes hands as a call would, with the same authorities and the same name to prove."""
    name = trunk.tls_name or trunk.next_host
    options = TlsOptions(
        authorities=ours.authorities if ours else None,
        certificate=ours.certificate if ours else None,
        key=ours.key if ours else None,
    )
    try:
        context = options.client_context(trunk.tls_ca)
    except (OSError, ValueError) as exc:
        return _wrong(f"Our own certificate or authorities cannot be read: {exc}.", "Look at SAUTIKIT_SIP_*.")
    try:
        shown = await _shake_hands(trunk, context, name, patience)
    except ssl.SSLCertVerificationError as exc:
        return await _unproved(trunk, name, exc, patience)
    except ssl.SSLError as exc:
        return _no_tls(trunk, exc)
    except (OSError, TimeoutError) as exc:
        return _wrong(
            f"The TLS handshake broke off: {str(exc) or 'no answer in time'}.",
            "Does the carrier speak TLS on this port, and does it want a certificate of ours (SAUTIKIT_SIP_CERTIFICATE)?",
        )
    return _proved(shown, name)


async def _shake_hands(
    trunk: Trunk, context: ssl.SSLContext, name: str, patience: float
) -> x509.Certificate | None:
    async with asyncio.timeout(patience):
        _, writer = await asyncio.open_connection(
            trunk.next_host, trunk.next_port, ssl=context, server_hostname=name
        )
    try:
        der = writer.get_extra_info("ssl_object").getpeercert(binary_form=True)
        return x509.load_der_x509_certificate(der) if der else None
    finally:
        writer.close()


async def _unproved(trunk: Trunk, name: str, error: ssl.SSLCertVerificationError, patience: float) -> Finding:
    """Looks at the certificate that was not believed, to say what is wrong with it."""
    unverified = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    unverified.check_hostname, unverified.verify_mode = False, ssl.CERT_NONE
    try:
        shown = await _shake_hands(trunk, unverified, name, patience)
    except (OSError, TimeoutError):
        shown = None
    code = error.verify_code
    if code in _OTHER_NAME:
        return _wrong(
            f"Its certificate is for {_names(shown)}, not for {name}.",
            "If one of those names is the carrier's, give it with --tls-name.",
        )
    if code == _EXPIRED:
        ended = f" on {shown.not_valid_after_utc:%Y-%m-%d}" if shown else ""
        return _wrong(f"Its certificate expired{ended}.", "The carrier must renew it; or our clock is fast.")
    if code == _NOT_YET_VALID:
        return _wrong(
            "Its certificate is not valid yet.", "Our clock is slow: is the time right on this machine?"
        )
    issuer = shown.issuer.rfc4514_string() if shown else "somebody"
    if code in (*_SELF_SIGNED, *_UNKNOWN_ISSUER):
        return _wrong(
            f"Its certificate is vouched for by {issuer}, whom we do not know.",
            "Ask the carrier for its CA certificate and give it with --tls-ca FILE.",
        )
    return _wrong(f"Its certificate is not believed: {error.verify_message}.", "Ask the carrier.")


def _no_tls(trunk: Trunk, error: ssl.SSLError) -> Finding:
    if error.reason in ("WRONG_VERSION_NUMBER", "RECORD_LAYER_FAILURE"):
        return _wrong(
            f"Port {trunk.next_port} takes connections but does not speak TLS.",
            "TLS is mostly on 5061; for plain SIP use --transport tcp or udp.",
        )
    return _wrong(
        f"TLS could not be agreed on: {error.reason or error}.",
        "The carrier may want a certificate of ours (SAUTIKIT_SIP_CERTIFICATE), or speak only TLS older than 1.2.",
    )


def _proved(shown: x509.Certificate | None, name: str) -> Finding:
    if shown is None:
        return Finding(step=STEP, found=f"proves {name}")
    left = (shown.not_valid_after_utc - datetime.now(UTC)).days
    found = f"proves {name}, valid until {shown.not_valid_after_utc:%Y-%m-%d}"
    if left < _SOON_DAYS:
        return Finding(
            step=STEP,
            verdict=Verdict.WARNING,
            found=f"{found}: {left} more days",
            cure="Remind the carrier to renew it.",
        )
    return Finding(step=STEP, found=found)


def _names(shown: x509.Certificate | None) -> str:
    if shown is None:
        return "another name"
    try:
        extension = shown.extensions.get_extension_for_class(x509.SubjectAlternativeName)
    except x509.ExtensionNotFound:
        return shown.subject.rfc4514_string()
    names = [
        *extension.value.get_values_for_type(x509.DNSName),
        *map(str, extension.value.get_values_for_type(x509.IPAddress)),
    ]
    return ", ".join(names[:5]) or "another name"


def _wrong(found: str, cure: str) -> Finding:
    return Finding(step=STEP, verdict=Verdict.WRONG, found=found, cure=cure)
