"""The head of an HTTP/1.1 request."""

from collections.abc import Mapping

USER_AGENT = "Sautikit/1.0"

_OWN = (f"User-Agent: {USER_AGENT}\r\n", "Accept: */*\r\n", "Accept-Encoding: identity\r\n")
_PLAIN = "".join(_OWN)
_REPLACEABLE = ("user-agent", "accept", "accept-encoding")
_FRAMING = frozenset({"host", "content-length", "transfer-encoding", "connection"})


def request_head(
    method: str, path: str, authority: str, headers: Mapping[str, str], body: bytes | None
) -> bytes:
    """Raises ValueError where a header would end its line, or say where the message ends: those are ours to send."""
    given = {name.lower() for name in headers}
    if not given.isdisjoint(_FRAMING):
        raise ValueError("a header of the request is not the caller's to set")
    own = _PLAIN
    if not given.isdisjoint(_REPLACEABLE):
        own = "".join(line for name, line in zip(_REPLACEABLE, _OWN, strict=True) if name not in given)
    fields = "".join([f"{name}: {value}\r\n" for name, value in headers.items()])
    if fields.count("\n") != len(headers) or fields.count("\r") != len(headers) or "\0" in fields:
        raise ValueError("a header of the request holds a line break")
    length = ""
    if body is not None or method in ("POST", "PUT", "PATCH"):
        length = f"Content-Length: {len(body) if body else 0}\r\n"
    return f"{method} {path} HTTP/1.1\r\nHost: {authority}\r\n{own}{length}{fields}\r\n".encode()
