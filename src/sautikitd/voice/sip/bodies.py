"""Session descriptions in the bodies of messages, alone or beside other things (RFC 5621)."""

import re

from sautikitd.voice.sip.address import read_parameters

_SDP = "application/sdp"
_MOST_PARTS = 16
_TYPE = re.compile(rb"^(?:content-type|c)[ \t]*:[ \t]*([^\r\n;]*)", re.IGNORECASE | re.MULTILINE)


def sdp_of(content_type: str | None, body: bytes) -> bytes | None:
    """The description that a body is or holds; SDP is also assumed when no type is given.

    Carriers that carry ISUP along (SIP-I, ITU-T Q.1912.5), or a caller's place, put it beside the SDP in
    `multipart/mixed`. What else stands there is passed over, whatever its `handling` demands: no call is lost to it.
    """
    if not body:
        return None
    kind, _, parameters = (content_type or _SDP).partition(";")
    kind = kind.strip().lower()
    if kind == _SDP:
        return body
    boundary = read_parameters(parameters).get("boundary") if kind.startswith("multipart/") else None
    return _first_description(body, boundary.encode()) if boundary else None


def _first_description(body: bytes, boundary: bytes) -> bytes | None:
    """Parts stand between lines that begin with two hyphens and the boundary (RFC 2046 §5.1.1)."""
    _, *parts = (b"\r\n" + body).split(b"\r\n--" + boundary, _MOST_PARTS)
    for part in parts:
        if part.startswith(b"--"):  # the last line
            return None
        head, _, content = part.partition(b"\r\n\r\n")
        found = _TYPE.search(head)
        if found and found[1].strip().lower() == _SDP.encode():
            return content
    return None
