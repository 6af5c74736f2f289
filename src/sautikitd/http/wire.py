"""A response that is bytes already: the framework's own looks at every header three times on its way out."""

from collections.abc import Mapping
from typing import Any

from litestar import Response


class WireResponse(Response[bytes]):
    """Goes out as it is. 204 and 304 carry no content, and a HEAD's Content-Length is the GET's (RFC 9110 §8.6)."""

    def __init__(self, content: bytes, status: int, headers: Mapping[str, str], media_type: str) -> None:
        self.status_code = status
        self.headers = dict(headers)
        self._content = content
        if status not in (204, 304):
            self.headers.setdefault(
                "Content-Type",
                f"{media_type}; charset=utf-8" if media_type.startswith("text/") else media_type,
            )
            self.headers.setdefault("Content-Length", str(len(content)))

    def to_asgi_response(
        self, *_: Any, **__: Any
    ) -> Any:  # what the framework asks for; all it does is call it
        return self._send

    async def _send(self, scope: Any, receive: Any, send: Any) -> None:
        headers = [
            (name.lower().encode("latin-1"), value.encode("latin-1")) for name, value in self.headers.items()
        ]
        await send({"type": "http.response.start", "status": self.status_code, "headers": headers})
        await send({"type": "http.response.body", "body": self._content, "more_body": False})
