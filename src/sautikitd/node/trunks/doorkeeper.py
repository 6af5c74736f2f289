"""Who may send us requests: devices that prove a secret, trunks at their addresses. Others hear nothing."""

from sautikitd.node.devices.guard import DeviceGuard
from sautikitd.node.trunks.routes import Routes
from sautikitd.voice.sip.admission import Ignore, Verdict
from sautikitd.voice.sip.wire import Arrival


class Doorkeeper:
    """The authenticator and the screen of the user agent. A device is known by what it says, before its address is
    looked at: it may well stand beside a trunk."""

    def __init__(self, routes: Routes, devices: DeviceGuard) -> None:
        self._routes = routes
        self._devices = devices

    def screens(self, request: Arrival) -> bool:
        """Whether a request outside dialogs is looked at."""
        return self._devices.plausible(request) or self._routes.knows(request.source) is not None

    async def authenticate(self, request: Arrival) -> Verdict:
        if self._devices.plausible(request):
            return await self._devices.authenticate(request)
        if request.request.method == "REGISTER":
            return Ignore()
        return await self._routes.authenticate(request)
