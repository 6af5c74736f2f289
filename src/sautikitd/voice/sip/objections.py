"""Why a request in a call is refused before anybody looks at what it wants (RFC 3261 §8.2, RFC 4028 §5)."""

from sautikitd.voice.sip.session_timer import MIN_SE, too_small
from sautikitd.voice.sip.stack import unknown_extensions
from sautikitd.voice.sip.wire import Arrival

_OFFERS = ("INVITE", "UPDATE")


def objection_to(request: Arrival) -> tuple[int, str, str] | None:
    """The code, and the header that says more. Never to a BYE, whatever it requires: no call is kept up for that."""
    if request.method == "BYE":
        return None
    if unknown := unknown_extensions(request):
        return 420, "Unsupported", ", ".join(unknown)
    if request.method in _OFFERS and request.message.body and request.sdp is None:
        return 415, "Accept", "application/sdp"
    if request.method in _OFFERS and too_small(request):
        return 422, "Min-SE", str(MIN_SE)
    return None
