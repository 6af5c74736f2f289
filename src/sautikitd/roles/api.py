"""The API process: granian serving the application on a socket of its own, or on one its supervisor opened."""

import asyncio
import gc
import os
import socket
from typing import Any

from granian._granian import SocketHolder
from granian.constants import HTTPModes, Interfaces
from granian.server.embed import Server

from sautikitd.api import open_api
from sautikitd.app import open_platform
from sautikitd.roles.process import RoleProcess
from sautikitd.settings import Settings
from sautikitd.supervisor.ports import BACKLOG, HTTP_SOCKET, listen

_END_SECONDS = 8.0
_HOLDER: Any = SocketHolder


class InheritedSocketServer(Server):
    """Granian in this process and loop, accepting from a socket that is open already.

    So several API processes share one listening socket, connections made while one is started again
    wait in its queue instead of being refused, and a taken port is found out by who opened it.
    """

    def __init__(self, app: Any, opened: socket.socket) -> None:
        super().__init__(
            app, interface=Interfaces.ASGI, http=HTTPModes.auto, websockets=True, log_enabled=False
        )
        self._opened = opened

    def _init_shared_socket(self) -> None:
        # granian's stubs know neither these attributes' types nor the arguments of its socket.
        descriptor = os.dup(self._opened.fileno())  # granian closes the one it is given
        vars(self).update(_ssp=None, _sfd=descriptor, _shd=_HOLDER(descriptor, False, BACKLOG))

    def end(self) -> None:
        """Accepts nothing more; `serve` returns when the requests under way are answered."""
        self.signal_handler_interrupt()  # type: ignore[no-untyped-call]  # granian's, untyped


def keep_what_is_loaded() -> None:
    """Once all is loaded: it is never looked through again, and what a request leaves behind is not looked for often.

    A collector as it comes from the shop spends a twentieth of the processor on going through our modules.
    """
    gc.collect()
    gc.freeze()
    gc.set_threshold(20_000, 20, 20)


async def run(settings: Settings, process: RoleProcess) -> None:
    async with open_platform(settings, "api", connections=25) as platform, open_api(platform) as app:
        with _socket(settings) as opened:
            server = InheritedSocketServer(app, opened)
            serving = asyncio.create_task(server.serve())
            stopping = asyncio.create_task(process.stop.wait())
            keep_what_is_loaded()
            process.ready()
            await asyncio.wait([serving, stopping], return_when=asyncio.FIRST_COMPLETED)
            if process.stop.is_set():
                server.end()
                async with asyncio.timeout(_END_SECONDS):
                    await serving
            stopping.cancel()
            serving.result()


def _socket(settings: Settings) -> socket.socket:
    inherited = os.environ.pop(HTTP_SOCKET, None)
    if inherited is None:
        return listen(settings.http, "the API", "SAUTIKIT_HTTP")
    return socket.socket(fileno=int(inherited))
