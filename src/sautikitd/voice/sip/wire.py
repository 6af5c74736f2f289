"""Reading and writing SIP messages (RFC 3261 §7): lenient where carriers are odd, strict where it matters.

`sipmessage` gives the message types. Reading is done here because its parser knows neither folded
headers (§7.3.1) nor white space before the colon, and splits lists inside quoted strings.
"""

import re
from dataclasses import dataclass
from functools import lru_cache

from sipmessage import Request, Response
from sipmessage.message import COMPACT_FORMS

from sautikitd.voice.sip.address import (
    MalformedAddress,
    NameAddr,
    SipUri,
    bracketed,
    read_parameters,
    split_outside,
    unbracketed,
)
from sautikitd.voice.sip.bodies import sdp_of
from sautikitd.voice.sip.headers import new_request, new_response
from sautikitd.voice.sip.hops import Source

MAX_MESSAGE = 65_535  # bytes, head and body together
MAX_HEADERS = 256
MAX_CSEQ = 2**31 - 1  # RFC 3261 §8.1.1.5
MAGIC_COOKIE = "z9hG4bK"

_LONGEST_NAME = 256
_TOKEN = re.compile(r"[A-Za-z0-9.!%*_+`'~-]+")
_FOLD = re.compile(r"\r\n[ \t]+")
_CONTROL = re.compile(r"[\x00-\x08\x0a-\x1f\x7f]")
_VIA = re.compile(
    r"SIP\s*/\s*2\.0\s*/\s*(?P<transport>[A-Za-z0-9-]+)\s+"
    r"(?P<host>\[[0-9A-Fa-f:.]+\]|[A-Za-z0-9._-]+)(?:\s*:\s*(?P<port>[0-9]{1,5}))?\s*(?P<params>(?:;.*)?)",
    re.IGNORECASE,
)
_CSEQ = re.compile(r"(?P<number>[0-9]{1,10})\s+(?P<method>[A-Za-z0-9.!%*_+`'~-]+)")
_STATUS = re.compile(r"SIP/2\.0 (?P<code>[1-6][0-9]{2})(?: (?P<phrase>.*))?", re.IGNORECASE)


class MalformedMessage(ValueError):
    """Bytes that are no SIP message, or one without the headers an answer would need."""


@dataclass(frozen=True, slots=True)
class ViaHop:
    """The topmost Via: who sent this message, as he sees himself (RFC 3261 §20.42)."""

    transport: str  # lower case
    host: str
    port: int | None
    params: dict[str, str]

    @property
    def branch(self) -> str:
        return self.params.get("branch", "")

    @property
    def sent_by(self) -> str:
        return f"{self.host.lower()}:{self.port or 5060}"


@dataclass(frozen=True, slots=True)
class Arrival:
    """A message as it came in, with the parts that every layer needs already read."""

    message: Request | Response
    call_id: str
    cseq: int
    method: str  # of the CSeq: for a response, the method it answers
    from_: NameAddr
    to: NameAddr
    via: ViaHop
    source: Source

    @property
    def request(self) -> Request:
        assert isinstance(self.message, Request)
        return self.message

    @property
    def response(self) -> Response:
        assert isinstance(self.message, Response)
        return self.message

    @property
    def sdp(self) -> bytes | None:
        """The description that its body is, or holds beside other things."""
        return sdp_of(self.message.headers.get("Content-Type"), self.message.body)

    def header(self, name: str) -> str:
        return self.message.headers.get(name) or ""

    def listed(self, name: str) -> list[str]:
        """All values of a comma-separated header, in order."""
        return header_list(self.message, name)


def read_message(data: bytes) -> Request | Response:
    """Reads one whole message; a body longer than Content-Length is cut (RFC 3261 §18.3).

    Raises `MalformedMessage`.
    """
    if len(data) > MAX_MESSAGE:
        raise MalformedMessage("message too long")
    head, separator, body = data.lstrip(b"\r\n").partition(b"\r\n\r\n")
    if not separator:
        raise MalformedMessage("no end of headers")
    try:
        text = head.decode("utf-8")
    except UnicodeDecodeError as error:
        raise MalformedMessage("headers are not UTF-8") from error
    lines = _FOLD.sub(" ", text).split("\r\n")
    if len(lines) > MAX_HEADERS or _CONTROL.search("".join(lines)):
        raise MalformedMessage("too many headers, or control characters in them")
    message = _read_start_line(lines[0])
    for line in lines[1:]:
        name, colon, value = line.partition(":")
        named = _header_name(name) if len(name) <= _LONGEST_NAME else None
        if not colon or named is None:
            raise MalformedMessage("header without a name")
        message.headers.add(named, value.strip())
    message.body = _body(message, body)
    return message


@lru_cache(maxsize=1024)
def _header_name(written: str) -> str | None:
    """The long form of a name (RFC 3261 §7.3.3), as far as it is one."""
    name = written.rstrip()
    return COMPACT_FORMS.get(name.lower(), name) if _TOKEN.fullmatch(name) else None


def _read_start_line(line: str) -> Request | Response:
    if status := _STATUS.fullmatch(line):
        return new_response(int(status["code"]), status["phrase"] or "")
    parts = line.split(" ")
    if len(parts) != 3 or parts[2].upper() != "SIP/2.0" or not _TOKEN.fullmatch(parts[0]):
        raise MalformedMessage("neither request nor response")
    try:
        return new_request(parts[0], SipUri.parse(parts[1]))
    except MalformedAddress as error:
        raise MalformedMessage(str(error)) from error


def _body(message: Request | Response, body: bytes) -> bytes:
    lengths = {value.strip() for value in message.headers.getlist("Content-Length")}
    if not lengths:
        return body
    length = lengths.pop()
    if lengths or not re.fullmatch("[0-9]{1,6}", length):
        raise MalformedMessage("contradicting Content-Length")
    if int(length) > len(body):
        raise MalformedMessage("body shorter than Content-Length")
    return body[: int(length)]


def arrival(message: Request | Response, source: Source) -> Arrival:
    """Reads the headers without which nothing can be answered. Raises `MalformedMessage`."""
    try:
        vias = header_list(message, "Via")
        cseq = _CSEQ.fullmatch(_only(message, "CSeq"))
        if not vias or cseq is None or int(cseq["number"]) > MAX_CSEQ:
            raise MalformedMessage("no Via, or a CSeq that is none")
        message.headers.setlist("Via", vias)
        return Arrival(
            message=message,
            call_id=_only(message, "Call-ID"),
            cseq=int(cseq["number"]),
            method=cseq["method"],
            from_=NameAddr.parse(_only(message, "From")),
            to=NameAddr.parse(_only(message, "To")),
            via=read_via(vias[0]),
            source=source,
        )
    except MalformedAddress as error:
        raise MalformedMessage(str(error)) from error


def _only(message: Request | Response, name: str) -> str:
    values = message.headers.getlist(name)
    if len(values) != 1 or not values[0]:
        raise MalformedMessage(f"{name} missing or repeated")
    return values[0]


def header_list(message: Request | Response, name: str) -> list[str]:
    return [item for value in message.headers.getlist(name) for item in split_outside(value, ",")]


def read_via(value: str) -> ViaHop:
    match = _VIA.fullmatch(value)
    if match is None:
        raise MalformedMessage("Via that cannot be read")
    port = int(match["port"]) if match["port"] else None
    if port is not None and not 0 < port < 65536:
        raise MalformedMessage("port out of range in Via")
    return ViaHop(match["transport"].lower(), match["host"], port, read_parameters(match["params"]))


def stamp_via(message: Request, via: ViaHop, source: Source) -> None:
    """Writes into the top Via where the request really came from (RFC 3261 §18.2.1, RFC 3581 §4)."""
    vias = message.headers.getlist("Via")
    kept = [
        part for part in split_outside(vias[0], ";") if not re.match(r"(received|rport)\s*(=|$)", part, re.I)
    ]
    if "rport" in via.params:
        kept.append(f"rport={source.port}")
    if "rport" in via.params or unbracketed(via.host) != source.host:
        kept.append(f"received={source.host}")
    vias[0] = ";".join(kept)


def write_via(transport: str, host: str, port: int, branch: str) -> str:
    return f"SIP/2.0/{transport.upper()} {bracketed(host)}:{port};rport;branch={branch}"


def write_message(message: Request | Response) -> bytes:
    """The bytes to send; Content-Length is set here and nowhere else."""
    message.headers.remove("Content-Length")
    message.headers.set("Content-Length", str(len(message.body)))
    return bytes(message)


def clean_header(value: str) -> str:
    """A value given by our own callers, refused if it could start another header."""
    if _CONTROL.search(value):
        raise ValueError("control character in a header value")
    return value
