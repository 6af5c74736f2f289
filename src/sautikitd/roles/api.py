"""The API process: granian serving the application on sockets of its own, or on those its supervisor opened."""

import asyncio
import os
import socket
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

from granian._granian import SocketHolder
from granian.constants import HTTPModes, Interfaces, SSLProtocols
from granian.server.embed import Server

from sautikitd.api import open_api
from sautikitd.app import open_platform
from sautikitd.roles.loaded import keep_what_is_loaded
from sautikitd.roles.process import RoleProcess
from sautikitd.settings import Address, Settings
from sautikitd.supervisor.ports import BACKLOG, HTTP_SOCKET, HTTPS_SOCKET, listen, require_certificate

_END_SECONDS = 8.0
_HOLDER: Any = SocketHolder


class InheritedSocketServer(Server):
    """Granian in this process and loop, accepting from a socket that is open already.

    So several API processes share one listening socket, connections made while one is started again
    wait in its queue instead of being refused, and a taken port is found out by who opened it.
    """

    def __init__(
        self, app: Any, opened: socket.socket, certificate: Path | None = None, key: Path | None = None
    ) -> None:
        """HTTP/1.1 and HTTP/2: with a certificate by TLS 1.2 or later and ALPN (RFC 7301), else as it begins (RFC 9113 §3.3).

        `key` is in the file of the certificate unless said.
        """
        super().__init__(
            app,
            interface=Interfaces.ASGI,
            http=HTTPModes.auto,
            websockets=True,
            log_enabled=False,
            ssl_cert=certificate,
            ssl_key=key or certificate,
            ssl_protocol_min=SSLProtocols.tls12,
        )
        self._opened = opened

    def _init_shared_socket(self) -> None:
        # granian's stubs know neither these attributes' types nor the arguments of its socket.
        descriptor = os.dup(self._opened.fileno())  # granian closes the one it is given
        vars(self).update(_ssp=None, _sfd=descriptor, _shd=_HOLDER(descriptor, False, BACKLOG))

    def end(self) -> None:
        """Accepts nothing more; `serve` returns when the requests under way are answered."""
        self.signal_handler_interrupt()  # type: ignore[no-untyped-call]  # granian's, untyped


async def run(settings: Settings, process: RoleProcess) -> None:
    async with open_platform(settings, "api", connections=25) as platform, open_api(platform) as app:
        with ExitStack() as held:
            servers = list(_servers(app, settings, held))
            serving = [asyncio.create_task(server.serve()) for server in servers]
            stopping = asyncio.create_task(process.stop.wait())
            keep_what_is_loaded()
            process.ready()
            await asyncio.wait([*serving, stopping], return_when=asyncio.FIRST_COMPLETED)
            for server in servers:
                server.end()
            async with asyncio.timeout(_END_SECONDS):
                await asyncio.gather(*serving)
            stopping.cancel()


def _servers(app: Any, settings: Settings, held: ExitStack) -> Iterator[InheritedSocketServer]:
    """One for each address. `held` closes their sockets."""
    opened = _socket(HTTP_SOCKET, settings.http, "the API", "SAUTIKIT_HTTP")
    yield InheritedSocketServer(app, held.enter_context(opened))
    if settings.https is not None:
        require_certificate(settings.http_certificate, settings.http_key)
        opened = _socket(HTTPS_SOCKET, settings.https, "the API by TLS", "SAUTIKIT_HTTPS")
        yield InheritedSocketServer(
            app, held.enter_context(opened), settings.http_certificate, settings.http_key
        )


def _socket(inherited_as: str, address: Address, purpose: str, variable: str) -> socket.socket:
    inherited = os.environ.pop(inherited_as, None)
    return listen(address, purpose, variable) if inherited is None else socket.socket(fileno=int(inherited))
