"""What HTTP itself asks of every answer: negotiation (RFC 9110 §12), validators (§8.8), compression, headers."""

import gzip
import hashlib
import sys
from collections.abc import Mapping
from functools import lru_cache

from sautikitd.http.endpoint import Answer
from sautikitd.http.exchange import Outgoing, Streamed, Whole
from sautikitd.timestamps import encode_json

if sys.version_info >= (3, 14):
    from compression import zstd as zstd
else:
    from backports import zstd as zstd

SECURITY_HEADERS = {
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    "Content-Security-Policy": "default-src 'none'; frame-ancestors 'none'",
    "Referrer-Policy": "no-referrer",
    "Cache-Control": "no-store",
}
HSTS = {"Strict-Transport-Security": "max-age=31536000; includeSubDomains"}
"""Only where the public URL is https (RFC 6797 §7.2)."""

ANY_ORIGIN = {
    "Access-Control-Allow-Origin": "*",
    "Access-Control-Expose-Headers": "ETag, X-Request-Id, RateLimit-Limit, RateLimit-Remaining, RateLimit-Reset",
}
_WORTH_COMPRESSING = 1024  # bytes; a smaller body fits one packet anyway
_GZIP_LEVEL = 4
_ZSTD_LEVEL = 3


def preflight(methods: str) -> dict[str, str]:
    """The answer to a browser that asks before it sends; `methods` as in Allow."""
    return {
        **ANY_ORIGIN,
        "Access-Control-Allow-Methods": methods,
        "Access-Control-Allow-Headers": "Authorization, Content-Type, If-None-Match, X-Request-Id",
        "Access-Control-Max-Age": "86400",
    }


@lru_cache(maxsize=512)  # a client sends the same words with every request
def accepts(accept: str, offered: frozenset[str]) -> bool:
    """Whether an Accept header takes any of the media types offered. None at all, and one we cannot read, take all."""
    ranges = dict(_media_range(part) for part in accept.split(",") if part.strip())
    if not ranges or not offered:
        return True
    for media_type in offered:
        kind = media_type.partition(";")[0].strip()
        for name in (kind, kind.partition("/")[0] + "/*", "*/*"):
            if name in ranges:  # the most specific one decides
                if ranges[name] > 0:
                    return True
                break
    return False


def _media_range(part: str) -> tuple[str, float]:
    name, *parameters = (piece.strip().lower() for piece in part.split(";"))
    quality = next((text[2:].strip() for text in parameters if text.startswith("q=")), "1")
    try:
        return name, float(quality)
    except ValueError:
        return name, 1.0


def respond(
    answer: Answer,
    headers: Mapping[str, str],
    *,
    asked: Mapping[str, str] | None = None,
    head: bool = False,
    validated: bool = False,
) -> Outgoing:
    """The response on the wire. `asked` are the request's headers; `validated` gives an ETag and answers 304.

    Compressed (zstd, RFC 8878, or gzip) where the client takes it, but never a stream, nor what holds a secret (BREACH).
    """
    merged = {**headers, **answer.headers}
    if answer.stream is not None and not head:
        return Streamed(answer.stream, answer.status, merged, answer.media_type)
    content, status = content_of(answer), answer.status
    published = merged.get("Cache-Control", "").startswith("public")  # the same bytes for everybody
    asked = asked or {}
    compressible = not answer.secret and len(content) >= _WORTH_COMPRESSING
    if compressible:
        merged["Vary"] = "Accept-Encoding"
    if validated and status == 200 and not answer.secret and answer.stream is None:
        tag = _tag_of(content) if published else _tag(content)
        merged["ETag"] = tag
        if merged.get("Cache-Control") == "no-store":
            merged["Cache-Control"] = "private, no-cache"
        if _matches(asked.get("if-none-match", ""), tag):
            return Whole(b"", 304, merged, answer.media_type)
    if compressible and (coding := _coding_for(asked.get("accept-encoding", ""))):
        merged["Content-Encoding"] = coding
        content = _packed(content, coding) if published else _pack(content, coding)
    if head:
        merged.setdefault("Content-Length", str(len(content)))
        content = b""
    return Whole(content, status, merged, answer.media_type)


def _tag(content: bytes) -> str:
    return f'W/"{hashlib.blake2b(content, digest_size=12).hexdigest()}"'


def _pack(content: bytes, coding: str) -> bytes:
    if coding == "zstd":
        return zstd.compress(content, _ZSTD_LEVEL)
    return gzip.compress(content, _GZIP_LEVEL, mtime=0)


_tag_of = lru_cache(maxsize=8)(_tag)
_packed = lru_cache(maxsize=8)(
    _pack
)  # half a megabyte of OpenAPI would cost anybody's request ten milliseconds


def content_of(answer: Answer) -> bytes:
    """The bytes of an answer that is no stream: bytes as they are, anything else as JSON."""
    if answer.body is None:
        return b""
    return answer.body if isinstance(answer.body, bytes) else encode_json(answer.body)


def _matches(if_none_match: str, tag: str) -> bool:
    """Weak comparison (RFC 9110 §13.1.2)."""
    if not if_none_match:
        return False
    named = {one.strip().removeprefix("W/") for one in if_none_match.split(",")}
    return "*" in named or tag.removeprefix("W/") in named


@lru_cache(maxsize=512)
def _coding_for(accept_encoding: str) -> str | None:
    """The coding the client likes best of those we have; zstd where it likes both as much, and none where it likes that
    better (RFC 9110 §12.5.3). `*` is for what is not named, so that nobody who did not name zstd is sent it."""
    liked = dict(_media_range(part) for part in accept_encoding.split(",") if part.strip())
    liked.setdefault("gzip", liked.get("x-gzip", liked.get("*", 0)))
    best = max(("zstd", "gzip"), key=lambda coding: liked.get(coding, 0))
    quality = liked.get(best, 0)
    return best if quality > 0 and quality >= liked.get("identity", 0) else None
