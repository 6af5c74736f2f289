"""SIP URIs and name-addrs, read leniently and written back exactly as they came.

`sipmessage.URI` refuses hosts with underscores and re-escapes parameters, and far ends compare the
Request-URI of a BYE with their Contact byte by byte; so `SipUri` keeps the text it was read from.
"""

import dataclasses
import ipaddress
import re
from collections.abc import Mapping
from functools import lru_cache
from urllib.parse import quote, unquote

import msgspec
from sipmessage import URI

_SIP_URI = re.compile(
    r"(?P<scheme>sips?):"
    r"(?:(?P<user>[^@:\s<>\"]*)(?::(?P<password>[^@\s<>\"]*))?@)?"
    r"(?P<host>\[[0-9A-Fa-f:.]+\]|[A-Za-z0-9._-]+)"
    r"(?::(?P<port>[0-9]{1,5}))?"
    r"(?P<options>(?:;[^;?\s<>\"]*)*)"
    r"(?:\?[^\s<>\"]*)?",
    re.IGNORECASE,
)
_TEL_URI = re.compile(r"tel:(?P<user>[0-9A-Fa-f*#+().-]+)(?P<options>(?:;[^;?\s<>\"]*)*)", re.IGNORECASE)
_NAME = re.compile(r"[a-z0-9.!%*_+`'~-]+")  # of a parameter: a token (RFC 3261 §25.1), in lower case
_PLAIN = re.compile(r"[A-Za-z0-9.!%*_+`'~:@/\[\]-]+")  # a parameter's value that needs no quotes
_REMEMBERED_LENGTH = 256  # whoever sends longer ones does not fill our memory with them
_NO_URI = re.compile(r"[\s<>\"]")
_CONTROL = re.compile(r"[\x00-\x08\x0a-\x1f\x7f]")
_USER_SAFE = "-_.!~*'()&=+$,;?/"  # RFC 3261 §25.1: mark and user-unreserved


class MalformedAddress(ValueError):
    """A URI or a name-addr that cannot be read; the message names the part."""


@dataclasses.dataclass(frozen=True)
class SipUri(URI):
    """A `sip:`, `sips:` or `tel:` URI. `str()` gives the very text that was parsed."""

    text: str = ""
    options: Mapping[str, str] = dataclasses.field(default_factory=dict)
    """URI parameters by lower-case name; a bare one has the value ""."""

    @classmethod
    def parse(cls, value: str) -> "SipUri":
        """Raises `MalformedAddress`. The host of an IPv6 literal is kept in its brackets."""
        value = value.strip()
        return _remembered(value) if len(value) <= _REMEMBERED_LENGTH else cls.read(value)

    @classmethod
    def read(cls, value: str) -> "SipUri":
        """As `parse`, of text without white space around it, and anew each time."""
        match = _SIP_URI.fullmatch(value)
        if match is None:
            return cls._parse_tel(value)
        port = int(match["port"]) if match["port"] else None
        if port is not None and not 0 < port < 65536:
            raise MalformedAddress("port out of range in SIP URI")
        return cls(
            scheme=match["scheme"].lower(),
            host=match["host"],
            user=unquote(match["user"]) if match["user"] else None,
            password=unquote(match["password"]) if match["password"] else None,
            port=port,
            text=value,
            options=read_parameters(match["options"]),
        )

    @classmethod
    def _parse_tel(cls, value: str) -> "SipUri":
        match = _TEL_URI.fullmatch(value)
        if match is None:
            raise MalformedAddress("neither a SIP nor a tel URI")
        return cls(
            scheme="tel",
            host="",
            user=match["user"],
            text=value,
            options=read_parameters(match["options"]),
        )

    @property
    def transport(self) -> str | None:
        """The `transport` parameter in lower case: far ends send `UDP` as well as `udp`."""
        return self.options.get("transport", "").lower() or None

    @property
    def loose(self) -> bool:
        """Whether a Route with this URI is a loose router (`;lr`, RFC 3261 §19.1.1)."""
        return "lr" in self.options

    def __str__(self) -> str:
        return self.text


@lru_cache(maxsize=2048)  # the few URIs of a call are read a dozen times while it is set up
def _remembered(value: str) -> SipUri:
    return SipUri.read(value)


def sip_uri(user: str, host: str, port: int | None = None, transport: str | None = None) -> str:
    """Writes a `sip:` URI, escaping the user part and bracketing an IPv6 host."""
    text = "sip:"
    if user:
        text += quote(user, safe=_USER_SAFE) + "@"
    text += bracketed(host)
    if port is not None:
        text += f":{port}"
    if transport is not None:
        text += f";transport={transport}"
    return text


class NameAddr(msgspec.Struct, frozen=True):
    """What stands in From, To, Contact, Route, P-Asserted-Identity and Diversion (RFC 3261 §20.10)."""

    uri: str
    display: str = ""
    params: dict[str, str] = {}  # lower-case names, "" when bare

    @classmethod
    def parse(cls, value: str) -> "NameAddr":
        """Raises `MalformedAddress`. The URI is not read any further here."""
        value = value.strip()
        if _CONTROL.search(value):
            raise MalformedAddress("control character in an address")
        open_at = _outside_quotes(value, "<")
        if open_at < 0:
            uri, semicolon, rest = value.partition(";")
            if not uri.strip() or _NO_URI.search(uri.strip()):
                raise MalformedAddress("address without a URI")
            return cls(uri.strip(), "", read_parameters(semicolon + rest))
        close_at = value.find(">", open_at)
        if close_at < 0:
            raise MalformedAddress("address without closing bracket")
        return cls(
            value[open_at + 1 : close_at].strip(),
            unquoted(value[:open_at].strip()),
            read_parameters(value[close_at + 1 :]),
        )

    @property
    def tag(self) -> str | None:
        return self.params.get("tag") or None

    @property
    def user(self) -> str:
        """The user part of the URI, unescaped; "" if there is none or the URI cannot be read."""
        try:
            return SipUri.parse(self.uri).user or ""
        except MalformedAddress:
            return ""

    def __str__(self) -> str:
        display = f"{quoted(self.display)} " if self.display else ""
        tail = "".join(
            f";{name}={_written(value)}" if value else f";{name}" for name, value in self.params.items()
        )
        return f"{display}<{self.uri}>{tail}"


def with_tag(value: str, tag: str) -> str:
    """A From or To value with its tag added, the rest as it was."""
    if _outside_quotes(value, "<") < 0:
        uri, semicolon, rest = value.partition(";")
        value = f"<{uri.strip()}>{semicolon}{rest}"
    return f"{value};tag={tag}"


def number_in(user: str) -> str:
    """The user part of a URI without the parameters that a telephone number may have there (RFC 3261 §19.1.6), like
    those of number portability (RFC 4694): `+254709000001;npdi;rn=+25470`."""
    return user.partition(";")[0]


def read_parameters(text: str) -> dict[str, str]:
    """`;a=b;C="d;e"` as {"a": "b", "c": "d;e"}; the first of a repeated name counts."""
    found: dict[str, str] = {}
    for part in split_outside(text, ";"):
        name, _, value = part.partition("=")
        if _NAME.fullmatch(name := name.strip().lower()):
            found.setdefault(name, unquoted(value.strip()))
    return found


def split_outside(text: str, separator: str) -> list[str]:
    """Splits at `separator` outside quoted strings and angle brackets; empty parts are left out."""
    if '"' not in text and "<" not in text:
        return [part for piece in text.split(separator) if (part := piece.strip())]
    parts: list[str] = []
    start, in_quotes, in_angles, skip = 0, False, False, False
    for index, char in enumerate(text):
        if skip:
            skip = False
        elif in_quotes:
            skip, in_quotes = char == "\\", char != '"'
        elif char == '"':
            in_quotes = True
        elif char in "<>":
            in_angles = char == "<"
        elif char == separator and not in_angles:
            parts.append(text[start:index].strip())
            start = index + 1
    parts.append(text[start:].strip())
    return [part for part in parts if part]


def _outside_quotes(text: str, wanted: str) -> int:
    in_quotes, skip = False, False
    for index, char in enumerate(text):
        if skip:
            skip = False
        elif in_quotes:
            skip, in_quotes = char == "\\", char != '"'
        elif char == '"':
            in_quotes = True
        elif char == wanted:
            return index
    return -1


def _written(value: str) -> str:
    return value if _PLAIN.fullmatch(value) else quoted(value)


def quoted(text: str) -> str:
    return '"' + text.replace("\\", "\\\\").replace('"', '\\"') + '"'


def unquoted(text: str) -> str:
    if len(text) >= 2 and text[0] == text[-1] == '"':
        return re.sub(r"\\(.)", r"\1", text[1:-1])
    return text


def bracketed(host: str) -> str:
    """An IPv6 literal in the brackets it needs in URIs and Via; anything else as it is."""
    return f"[{host}]" if ":" in host and not host.startswith("[") else host


def unbracketed(host: str) -> str:
    return host[1:-1] if host.startswith("[") and host.endswith("]") else host


_MAPPED = "::ffff:"  # RFC 4291 §2.5.5.2


def unmapped(host: str) -> str:
    """An IPv4 address as people write it, where a socket for both families has it as an IPv6 one."""
    return host.removeprefix(_MAPPED) if "." in host else host


def is_ip(host: str) -> bool:
    try:
        ipaddress.ip_address(unbracketed(host))
    except ValueError:
        return False
    return True


def family_of(host: str) -> int | None:
    """4 or 6 of an IP address; None of a name."""
    return _ip(host).version if is_ip(host) else None


def is_private(host: str) -> bool:
    """Whether an IP address means nothing on the Internet (RFC 1918, 4193, 6598 …); False for a name."""
    return is_ip(host) and not _ip(host).is_global


def _ip(host: str) -> ipaddress.IPv4Address | ipaddress.IPv6Address:
    return ipaddress.ip_address(unmapped(unbracketed(host)))
