"""TLS for SIP (RFC 3261 §26.3, RFC 5922): whose certificate is shown, and whose is believed."""

import ssl
from collections.abc import Iterable
from pathlib import Path

import msgspec

DEFAULT_PORT = 5061
HANDSHAKE_SECONDS = 5.0


class TlsOptions(msgspec.Struct, frozen=True, kw_only=True):
    """`certificate` and `key` are PEM files (chain and private key); without them we only connect and do not
    listen. `authorities` is a PEM file of those who may vouch for a trunk; None: those of the system.

    Far ends that we connect to must prove the host name of their trunk (its address, if it has no name). Those
    that connect to us show no certificate: digest or the known address is their proof.
    """

    certificate: Path | None = None
    key: Path | None = None
    authorities: Path | None = None
    port: int = DEFAULT_PORT  # 0 takes one that is free
    advertised_port: int | None = None  # None: the bound one

    def server_context(self) -> ssl.SSLContext | None:
        """Raises `OSError` (and so `ssl.SSLError`) for files that cannot be read or do not belong together."""
        if self.certificate is None:
            return None
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.minimum_version = ssl.TLSVersion.TLSv1_2
        context.load_cert_chain(self.certificate, self.key)
        return context

    def written_at(self) -> tuple[int, ...]:
        """When the files of the certificate were written, in ns; () without one. Raises `OSError`."""
        return tuple(path.stat().st_mtime_ns for path in (self.certificate, self.key) if path is not None)

    def show_in(self, contexts: Iterable[ssl.SSLContext]) -> None:
        """Has them show the certificate as its files are now, to whoever connects next. Raises like
        `server_context`, and then they show what they did before."""
        if self.certificate is None:
            return
        if self.server_context():  # the files can be read and belong together
            for context in contexts:
                context.load_cert_chain(self.certificate, self.key)

    def client_context(self, authorities: str | None = None) -> ssl.SSLContext:
        """With `authorities` in PEM only those are believed. Raises like `server_context`."""
        if authorities is not None:
            context = ssl.create_default_context(cadata=authorities)
        else:
            context = ssl.create_default_context(cafile=str(self.authorities) if self.authorities else None)
        context.minimum_version = ssl.TLSVersion.TLSv1_2
        if self.certificate is not None:  # for trunks that ask for ours
            context.load_cert_chain(self.certificate, self.key)
        return context
