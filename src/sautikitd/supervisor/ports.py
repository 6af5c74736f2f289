"""The ports we need, looked at before anything is started, so that a taken one is a sentence and not a stack trace."""

import contextlib
import errno
import os
import socket
import ssl
from pathlib import Path

from sautikitd.settings import Address

BACKLOG = 1024
# The variable that names a listening socket which a role inherits: `sautikitd api` accepts from it.
HTTP_SOCKET = "SAUTIKIT_HTTP_SOCKET"
HTTPS_SOCKET = "SAUTIKIT_HTTPS_SOCKET"


class PortTaken(Exception):
    """Something else listens where we want to."""

    def __init__(self, address: Address, purpose: str, variable: str, transport: str) -> None:
        pid = holder_of(address.port, transport)
        who = f" by process {pid}" if pid else ""
        super().__init__(
            f"{transport.upper()} port {address.port} on {address.host}, wanted for {purpose}, is taken{who}. "
            f"Stop what runs there (another sautikitd?), or choose another port with {variable}=HOST:PORT."
        )


class AddressUnusable(Exception):
    """An address that is not of this machine, or a port we may not open."""


class CertificateUnusable(Exception):
    """A certificate or key that is missing, unreadable, or not the other's."""


def require_certificate(certificate: Path | None, key: Path | None) -> None:
    """Raises `CertificateUnusable`, so that it is a sentence now and not a process that ends again and again."""
    if certificate is None:
        raise CertificateUnusable(
            "SAUTIKIT_HTTPS is set, and there is no certificate to show there. Set SAUTIKIT_HTTP_CERTIFICATE to a PEM file "
            "with its chain, and SAUTIKIT_HTTP_KEY where its private key is in another."
        )
    try:
        ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER).load_cert_chain(certificate, key, password=lambda: "")
    except (OSError, ValueError) as exc:  # SSLError is an OSError
        files = f"SAUTIKIT_HTTP_CERTIFICATE={certificate}" + (f" and SAUTIKIT_HTTP_KEY={key}" if key else "")
        raise CertificateUnusable(
            f"{files} cannot be used: {exc}. Wanted are PEM files of a certificate with its chain and of its "
            "private key without a pass phrase, readable by us."
        ) from exc


def listen(address: Address, purpose: str, variable: str) -> socket.socket:
    """A listening TCP socket on `address`, to be handed to processes that accept from it together."""
    opened = _bound(address, socket.SOCK_STREAM, purpose, variable)
    opened.listen(BACKLOG)
    return opened


def require_free(address: Address, purpose: str, variable: str) -> None:
    """Raises `PortTaken` where UDP or TCP cannot be bound on `address` now."""
    for kind in (socket.SOCK_DGRAM, socket.SOCK_STREAM):
        _bound(address, kind, purpose, variable).close()


def holder_of(port: int, transport: str = "tcp") -> int | None:
    """The process that has `port` open, where this system tells us (Linux, own processes or as root)."""
    inodes = _inodes(port, transport)
    if not inodes:
        return None
    for descriptor in Path("/proc").glob("[0-9]*/fd/*"):
        with contextlib.suppress(OSError):
            if descriptor.readlink().name in inodes:
                return int(descriptor.parts[2])
    return None


def _bound(address: Address, kind: socket.SocketKind, purpose: str, variable: str) -> socket.socket:
    try:
        family, _, _, _, where = socket.getaddrinfo(address.host, address.port, type=kind)[0]
    except socket.gaierror as exc:
        raise AddressUnusable(
            f"{variable}={address}: {address.host} does not resolve ({exc.strerror})."
        ) from exc
    opened = socket.socket(family, kind)
    try:
        if kind == socket.SOCK_STREAM:
            opened.setsockopt(
                socket.SOL_SOCKET, socket.SO_REUSEADDR, 1
            )  # connections in TIME_WAIT do not matter
        opened.bind(where)
    except OSError as exc:
        opened.close()
        if exc.errno == errno.EADDRINUSE:
            transport = "tcp" if kind == socket.SOCK_STREAM else "udp"
            raise PortTaken(address, purpose, variable, transport) from exc
        raise AddressUnusable(
            f"{variable}={address}, wanted for {purpose}, cannot be opened: {os.strerror(exc.errno or 0)}. "
            "The address must be one of this machine's, and ports below 1024 need the right to open them."
        ) from exc
    return opened


def _inodes(port: int, transport: str) -> set[str]:
    listening = {"tcp": "0A", "udp": "07"}[transport]
    found = set()
    for table in (transport, f"{transport}6"):
        with contextlib.suppress(OSError):
            for line in Path(f"/proc/net/{table}").read_text().splitlines()[1:]:
                parts = line.split()
                if parts[3] == listening and int(parts[1].rpartition(":")[2], 16) == port:
                    found.add(f"socket:[{parts[9]}]")
    return found
