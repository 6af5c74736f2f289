"""What a URL must look like before anybody resolves it: checked when a customer gives it to us."""

import re
from dataclasses import dataclass
from enum import StrEnum
from functools import lru_cache
from ipaddress import ip_address
from urllib.parse import SplitResult, urlsplit

from sautikitd.egress.addresses import refusal_of

MAX_URL_LENGTH = 8192
HTTP_SCHEMES = frozenset({"http", "https"})
WEBSOCKET_SCHEMES = frozenset({"ws", "wss"})
SECURE_SCHEMES = frozenset({"https", "wss"})

NEVER_PORTS = frozenset({2049, 3306, 5060, 5061, 5432, 6379, 6667, 6697, 11211, 27017})
"""Above 1023, ports of services that act on what an HTTP request line happens to say to them."""

_UNSAFE = re.compile(r"[\x00-\x20\x7f\\]")
_NUMERIC_LABEL = re.compile(r"(?:[0-9]+|0[xX][0-9a-fA-F]*)$")


class UrlFault(StrEnum):
    MALFORMED = "malformed"
    SCHEME = "scheme"
    INSECURE = "insecure"
    CREDENTIALS = "credentials"
    HOST = "host"
    PORT = "port"


@dataclass(frozen=True)
class UrlProblem:
    """Why a URL is refused: a stable `fault` and a sentence for the developer who gave it."""

    fault: UrlFault
    reason: str


@lru_cache(maxsize=2048)
def check_url(url: str, *, live: bool, allow_private: bool, websocket: bool = False) -> UrlProblem | None:
    """The first problem of an absolute http(s) URL, or of a ws(s) one with `websocket`; None = good.

    Looks at the text only, never at DNS, so that an answer is good for ever, and kept for URLs that come again:
    what the host resolves to is checked at connect time by `EgressGuard`. `live` asks for https/wss;
    `allow_private` (development) relaxes that, the ports and the private addresses.
    """
    if len(url) > MAX_URL_LENGTH:
        return UrlProblem(UrlFault.MALFORMED, f"the URL is longer than {MAX_URL_LENGTH} characters")
    if _UNSAFE.search(url):
        return UrlProblem(UrlFault.MALFORMED, "the URL holds a space, a backslash or a control character")
    try:
        parts = urlsplit(url)
        port = parts.port
    except ValueError as error:
        return UrlProblem(UrlFault.MALFORMED, f"not a URL: {error}")
    return (
        _check_scheme(parts, live=live and not allow_private, websocket=websocket)
        or _check_host(parts, allow_private=allow_private)
        or _check_port(port, allow_private=allow_private)
    )


def _check_scheme(parts: SplitResult, *, live: bool, websocket: bool) -> UrlProblem | None:
    wanted = WEBSOCKET_SCHEMES if websocket else HTTP_SCHEMES
    if parts.scheme not in wanted:
        return UrlProblem(
            UrlFault.SCHEME, f"the URL must start with {' or '.join(f'{one}://' for one in sorted(wanted))}"
        )
    if live and parts.scheme not in SECURE_SCHEMES:
        return UrlProblem(UrlFault.INSECURE, f"live mode requires {'wss' if websocket else 'https'}")
    return None


def _check_host(parts: SplitResult, *, allow_private: bool) -> UrlProblem | None:
    if "@" in parts.netloc:
        return UrlProblem(UrlFault.CREDENTIALS, "credentials in a URL are refused; sign or use a path token")
    host = (parts.hostname or "").rstrip(".")
    if not host:
        return UrlProblem(UrlFault.HOST, "the URL has no host")
    if "%" in host:
        return UrlProblem(UrlFault.HOST, "the host holds a percent sign")
    try:
        ip_address(host)
    except ValueError:
        return _check_name(host, allow_private=allow_private)
    reason = refusal_of(host, allow_private=allow_private)
    return UrlProblem(UrlFault.HOST, reason) if reason else None


def _check_name(host: str, *, allow_private: bool) -> UrlProblem | None:
    """A last label that is a number makes the whole host an IPv4 address to some parsers (WHATWG URL
    §3.5: `2130706433`, `0x7f.1`, `017700000001`), so anything but four plain decimals is refused."""
    last = host.rsplit(".", 1)[-1]
    if _NUMERIC_LABEL.fullmatch(last):
        return UrlProblem(UrlFault.HOST, "write an IPv4 address as four decimal numbers")
    if not allow_private and (host == "localhost" or last == "localhost"):
        return UrlProblem(UrlFault.HOST, "localhost is a private address")
    if len(host) > 253 or any(not label or len(label) > 63 for label in host.split(".")):
        return UrlProblem(UrlFault.HOST, "the host is not a valid name")
    return None


def _check_port(port: int | None, *, allow_private: bool) -> UrlProblem | None:
    if port is None or port in (80, 443):
        return None
    if port == 0 or (not allow_private and (port < 1024 or port in NEVER_PORTS)):
        return UrlProblem(UrlFault.PORT, f"port {port} is not allowed; use 80, 443 or one from 1024 on")
    return None
