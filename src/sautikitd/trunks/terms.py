"""What may be said of a trunk, and what is wrong with it."""

import ipaddress
import re
import ssl
from collections.abc import Iterator

from sautikitd.trunks.models import Transport, TrunkTerms
from sautikitd.voice.media_encryption import MediaEncryption

_DIGITS = re.compile(r"[0-9]{1,15}", re.ASCII)
_STEERING = re.compile(r"[0-9*#]{0,16}", re.ASCII)
_USER = re.compile(r"[A-Za-z0-9_.!~*'()&=+$,;?/%-]{1,64}", re.ASCII)


def problems_of_name(name: str) -> Iterator[tuple[str, str]]:
    if not 1 <= len(name) <= 60 or not name.isprintable() or name != name.strip():
        yield "name", "1 to 60 printable characters, no space at the ends"


def problems_of(terms: TrunkTerms, *, has_password: bool) -> Iterator[tuple[str, str]]:
    """Pairs of field and problem."""
    yield from _place(terms)
    yield from _identity(terms, has_password)
    yield from _selection(terms)
    if not terms.codecs:
        yield "codecs", "at least one of PCMA, PCMU, G722, opus"
    if terms.media_encryption not in (MediaEncryption.NONE, MediaEncryption.OPTIONAL, MediaEncryption.SDES):
        yield "media_encryption", "none, optional or sdes"
    if not _STEERING.fullmatch(terms.called_prefix):
        yield "called_prefix", "at most 16 digits, * and #"


def _place(terms: TrunkTerms) -> Iterator[tuple[str, str]]:
    for field in ("host", "proxy_host", "tls_name", "from_domain"):
        value = getattr(terms, field)
        if value is not None and not _is_host(value):
            yield field, "not a host name or IP address, like sip.carrier.example"
    for field in ("port", "proxy_port"):
        value = getattr(terms, field)
        if value is not None and not 1 <= value <= 65535:
            yield field, "1 to 65535"
    if (terms.proxy_host is None) != (terms.proxy_port is None):
        yield "proxy_port", "goes with proxy_host"
    for field in ("tls_ca", "tls_name"):
        if getattr(terms, field) is not None and terms.transport is not Transport.TLS:
            yield field, "only for the transport tls"
    if terms.tls_ca is not None and not _is_certificates(terms.tls_ca):
        yield "tls_ca", "not certificates in PEM form (-----BEGIN CERTIFICATE-----)"


def _identity(terms: TrunkTerms, has_password: bool) -> Iterator[tuple[str, str]]:
    if has_password and not terms.username:
        yield "username", "needed with a password"
    if terms.register and not (terms.username and has_password):
        yield "register", "needs a username and a password"
    if terms.from_user is not None and not _USER.fullmatch(terms.from_user):
        yield "from_user", "the user part of a SIP address, like 254200000001"
    for index, cidr in enumerate(terms.source_cidrs):
        try:
            ipaddress.ip_network(cidr)
        except ValueError:
            yield f"source_cidrs/{index}", "not a network like 197.248.0.0/16"


def _selection(terms: TrunkTerms) -> Iterator[tuple[str, str]]:
    if not 0 <= terms.priority <= 1000:
        yield "priority", "0 to 1000; the lowest goes first"
    if not 1 <= terms.weight <= 1000:
        yield "weight", "1 to 1000"
    for index, prefix in enumerate(terms.prefixes):
        if not _DIGITS.fullmatch(prefix):
            yield f"prefixes/{index}", "digits of an international number without the plus, like 25471"
    if terms.max_channels is not None and not 1 <= terms.max_channels <= 1_000_000:
        yield "max_channels", "1 to 1000000; leave it out for no cap"
    if terms.max_cps is not None and not 0.01 <= terms.max_cps <= 10_000:
        yield "max_cps", "0.01 to 10000 calls a second; leave it out for no cap"


def _is_host(text: str) -> bool:
    return 1 <= len(text) <= 253 and not any(c.isspace() or c in '/@;<>"[]' for c in text)


def _is_certificates(pem: str) -> bool:
    try:
        ssl.create_default_context(cadata=pem)
    except (ssl.SSLError, ValueError):
        return False
    return True
