"""Headers found by name at once. Those of `sipmessage` are a list that every look-up reads, lowering each name again: a
quarter of what a call cost the SIP stack."""

from sipmessage import URI, Request, Response
from sipmessage.message import Headers


class IndexedHeaders(Headers):
    """In the order in which they were first set, each under the name it had then; a header may have several values."""

    __slots__ = ("_fields",)

    def __init__(self) -> None:
        self._fields: dict[str, tuple[str, list[str]]] = {}

    def add(self, key: str, value: str) -> None:
        self._fields.setdefault(key.lower(), (key, []))[1].append(value)

    def get(self, key: str, default: str | None = None) -> str | None:
        found = self._fields.get(key.lower())
        return found[1][0] if found else default

    def getlist(self, key: str) -> list[str]:
        """The very list, where there is one: what is changed in it is changed in the message."""
        found = self._fields.get(key.lower())
        return found[1] if found else []

    def keys(self) -> list[str]:
        return [name for name, _ in self._fields.values()]

    def remove(self, key: str) -> None:
        self._fields.pop(key.lower(), None)

    def set(self, key: str, value: str) -> None:
        self.setlist(key, [value])

    def setlist(self, key: str, values: list[str]) -> None:
        folded = key.lower()
        found = self._fields.get(folded)
        self._fields[folded] = (found[0] if found else key, values)

    def __getitem__(self, key: str) -> str:
        return self._fields[key.lower()][1][0]

    def __str__(self) -> str:
        lines = [f"{name}: {value}\r\n" for name, values in self._fields.values() for value in values]
        return "".join([*lines, "\r\n"])


def new_request(method: str, uri: URI, body: bytes = b"") -> Request:
    request = Request(method, uri, body)
    request.headers = IndexedHeaders()
    return request


def new_response(code: int, phrase: str) -> Response:
    response = Response(code, phrase)
    response.headers = IndexedHeaders()
    return response
