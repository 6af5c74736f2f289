"""How the text of a setting becomes its value: pure functions, each raises `ValueError` with why the text cannot be used."""

import ipaddress
from pathlib import Path
from urllib.parse import urlsplit

import msgspec


class Address(msgspec.Struct, frozen=True):
    """Where something listens: an IP address or host name and a port, 1 to 65535."""

    host: str
    port: int

    def __str__(self) -> str:
        return f"[{self.host}]:{self.port}" if ":" in self.host else f"{self.host}:{self.port}"


class PortRange(msgspec.Struct, frozen=True):
    """Ports `first` to `last`, both included."""

    first: int
    last: int

    def __str__(self) -> str:
        return f"{self.first}-{self.last}"


class RateLimit(msgspec.Struct, frozen=True):
    """Requests of one API key: `per_second` in the long run, `burst` at once. Of the whole API, not of one process."""

    per_second: int
    burst: int

    def __str__(self) -> str:
        return f"{self.per_second}/{self.burst}"


def address(text: str) -> Address:
    host, colon, port = text.rpartition(":")
    if not colon or not port.isascii() or not port.isdigit():
        raise ValueError("it is not HOST:PORT")
    if not 1 <= int(port) <= 65535:
        raise ValueError("a port is 1 to 65535")
    if not host:
        raise ValueError("the host is missing")
    return Address(host.strip("[]"), int(port))


def port_range(text: str) -> PortRange:
    first, dash, last = text.partition("-")
    if not dash or not first.isdigit() or not last.isdigit():
        raise ValueError("it is not FIRST-LAST")
    span = PortRange(int(first), int(last))
    if not 1024 <= span.first <= span.last <= 65535:
        raise ValueError("the ports go from 1024 to 65535, the smaller first")
    if span.last - span.first < 3:
        raise ValueError("a leg takes two ports, so the range is at least four long")
    return span


def rate_limit(text: str) -> RateLimit:
    rate, slash, burst = text.partition("/")
    if not rate.isdigit() or (slash and not burst.isdigit()):
        raise ValueError("it is not PER_SECOND/BURST")
    limit = RateLimit(int(rate), int(burst) if slash else 2 * int(rate))
    if limit.per_second < 1 or limit.burst < 1:
        raise ValueError("both are at least 1")
    return limit


def count(text: str) -> int:
    if not text.isascii() or not text.isdigit() or int(text) < 1:
        raise ValueError("it is not a whole number from 1 up")
    return int(text)


def flag(text: str) -> bool:
    known = {
        "1": True,
        "true": True,
        "yes": True,
        "on": True,
        "0": False,
        "false": False,
        "no": False,
        "off": False,
    }
    if text.lower() not in known:
        raise ValueError("it is neither yes nor no")
    return known[text.lower()]


def path(text: str) -> Path:
    return Path(text).expanduser().resolve()


def web_url(text: str) -> str:
    parts = urlsplit(text)
    if parts.scheme not in ("http", "https") or not parts.hostname:
        raise ValueError("it is not an http or https URL")
    return text.rstrip("/")


def websocket_url(text: str) -> str:
    parts = urlsplit(text)
    if parts.scheme not in ("ws", "wss") or not parts.hostname:
        raise ValueError("it is not a ws or wss URL")
    return text


def ip_address(text: str) -> str:
    return str(ipaddress.ip_address(text.strip("[]")))


def ip_addresses(text: str) -> tuple[str, ...]:
    addresses = tuple(part.strip().strip("[]") for part in text.split(",") if part.strip())
    for one in addresses:
        ipaddress.ip_address(one)
    if not addresses:
        raise ValueError("it names no address")
    return addresses


def ice_urls(text: str) -> tuple[str, ...]:
    urls = tuple(part.strip() for part in text.split(",") if part.strip())
    for url in urls:
        scheme, _, rest = url.partition(":")
        if scheme not in ("stun", "stuns", "turn", "turns") or not rest:
            raise ValueError(f"{url!r} is not a stun, turn or turns URL")
    return urls


def callback_url(text: str) -> str:
    """Daraja takes lower-case hosts only, and no address with a word it bans (`mpesa.md` §3.1, §6.1)."""
    banned = next((word for word in _BANNED_FROM_URLS if word in text.lower()), None)
    if banned:
        raise ValueError(f"Daraja refuses addresses with the word {banned} in them")
    return web_url(text.lower())


_BANNED_FROM_URLS = ("m-pesa", "mpesa", "safaricom", "exe", "cmd", "sql", "query")


def secret(text: str) -> str:
    """The secret itself, or @FILE to read it from there."""
    if not text.startswith("@"):
        return text
    try:
        return Path(text[1:]).expanduser().read_text().strip()
    except OSError as exc:
        raise ValueError(f"the file cannot be read ({exc.strerror})") from exc


def shortcode(text: str) -> str:
    if not text.isascii() or not text.isdigit() or not 5 <= len(text) <= 7:
        raise ValueError("it is not 5 to 7 digits")
    return text


def database_url(text: str) -> str:
    if urlsplit(text).scheme not in ("postgresql", "postgres"):
        raise ValueError("it is not a PostgreSQL URL")
    return text


def object_store(text: str) -> str:
    if urlsplit(text).scheme not in ("file", "s3", "gs", "az"):
        raise ValueError("it is not a file, s3, gs or az URL")
    return text


def networks(text: str) -> tuple[str, ...]:
    return tuple(str(ipaddress.ip_network(part.strip())) for part in text.split(",") if part.strip())


def host(text: str) -> str:
    if not text or any(c.isspace() or c == "/" for c in text):
        raise ValueError("it is not an address")
    return text


def smtp_url(text: str) -> str:
    if urlsplit(text).scheme not in ("smtp", "smtps") or not urlsplit(text).hostname:
        raise ValueError("it is not an smtp or smtps URL")
    return text


def pairs(text: str) -> tuple[str, ...]:
    """`NAME=VALUE`, several with commas, kept as they are written."""
    found = tuple(part.strip() for part in text.split(",") if part.strip())
    if not found or not all(name.strip() and value.strip() for name, _, value in map(_parted, found)):
        raise ValueError("it is not NAME=VALUE, several with commas")
    return found


def named(written: tuple[str, ...]) -> dict[str, str]:
    """What `pairs` has read, by name."""
    return {name.strip(): value.strip() for name, _, value in map(_parted, written)}


def named_paths(written: tuple[str, ...]) -> dict[str, Path]:
    return {name: path(value) for name, value in named(written).items()}


def _parted(pair: str) -> tuple[str, str, str]:
    return pair.partition("=")
