"""Session timers (RFC 4028): a call whose refreshes stop coming is over, and who owes the refresh."""

import re
from collections.abc import Callable

import msgspec

from sautikitd.voice.sip.timers import Cancellable, Scheduler
from sautikitd.voice.sip.wire import Arrival

MIN_SE = 90  # seconds, the least that RFC 4028 §4 allows
MAX_SE = 86_400

_INTERVAL = re.compile(r"\s*([0-9]{1,9})\s*(?:;.*)?")
_REFRESHER = re.compile(r";\s*refresher\s*=\s*(ua[cs])\b", re.IGNORECASE)

Headers = list[tuple[str, str]]


class SessionTerms(msgspec.Struct, frozen=True):
    """What both sides agreed: the interval in seconds, and whether the refreshing is ours."""

    seconds: int
    we_refresh: bool

    def request_headers(self) -> Headers:
        """For a re-INVITE or UPDATE of ours, in which we are the UAC whatever we were first."""
        return wanted(self.seconds, MIN_SE, "uac" if self.we_refresh else "uas")

    def response_headers(self) -> Headers:
        """For our 2xx; only a caller who has to refresh is required to know how (§9)."""
        expires = ("Session-Expires", f"{self.seconds};refresher={'uas' if self.we_refresh else 'uac'}")
        return [expires] if self.we_refresh else [expires, ("Require", "timer")]


def wanted(seconds: int, min_se: int, refresher: str | None = None) -> Headers:
    tail = f";refresher={refresher}" if refresher else ""
    return [("Session-Expires", f"{seconds}{tail}"), ("Min-SE", str(min_se))]


def _interval(value: str) -> int | None:
    match = _INTERVAL.fullmatch(value)
    return min(int(match[1]), MAX_SE) if match else None


def _expires(message: Arrival) -> int | None:
    return _interval(message.header("Session-Expires") or message.header("x"))


def _refresher(message: Arrival) -> str | None:
    match = _REFRESHER.search(message.header("Session-Expires") or message.header("x"))
    return match[1].lower() if match else None


def knows_timer(message: Arrival) -> bool:
    return "timer" in (tag.lower() for tag in (*message.listed("Supported"), *message.listed("Require")))


def too_small(request: Arrival) -> bool:
    """Whether the request must be refused with 422: only a sender who knows the extension would understand."""
    seconds = _expires(request)
    return seconds is not None and seconds < MIN_SE and knows_timer(request)


def min_se(response: Arrival) -> int:
    """The least interval that a 422 asks for."""
    return _interval(response.header("Min-SE")) or MIN_SE


def terms_of_response(response: Arrival) -> SessionTerms | None:
    """What a 2xx to a request of ours settles; None: the session does not expire (§7.2)."""
    seconds = _expires(response)
    if seconds is None:
        return None
    return SessionTerms(max(seconds, MIN_SE), _refresher(response) != "uas")


def terms_of_request(request: Arrival) -> SessionTerms | None:
    """What we grant a request with Session-Expires: the interval it names, its own choice of refresher,
    else whoever can (§9)."""
    seconds = _expires(request)
    if seconds is None:
        return None
    return SessionTerms(max(seconds, MIN_SE), (not knows_timer(request)) or _refresher(request) == "uas")


class SessionTimer:
    """Rings `refresh` after half the interval if it is our duty, `expired` a little before its end (§10)."""

    def __init__(
        self, scheduler: Scheduler, *, refresh: Callable[[], object], expired: Callable[[], object]
    ) -> None:
        self._scheduler = scheduler
        self._refresh = refresh
        self._expired = expired
        self._rings: list[Cancellable] = []
        self.terms: SessionTerms | None = None

    def start(self, terms: SessionTerms | None) -> None:
        """Begins an interval anew; None: nothing expires any more."""
        self.stop()
        self.terms = terms
        if terms is None:
            return
        early = min(32.0, terms.seconds / 3)
        self._rings.append(self._scheduler.call_later(terms.seconds - early, self._expired))
        if terms.we_refresh:
            self.try_again(terms.seconds / 2)

    def try_again(self, seconds: float) -> None:
        """Another refresh so much later, within the same interval."""
        self._rings.append(self._scheduler.call_later(seconds, self._refresh))

    def stop(self) -> None:
        for ring in self._rings:
            ring.cancel()
        self._rings.clear()
