"""Which fields of a verb are URLs, and whether they may be asked in a workspace's mode."""

from collections.abc import Iterator
from functools import cache
from typing import Any, NamedTuple, get_args
from urllib.parse import urlsplit

import msgspec

from sautikitd.egress.urls import check_url
from sautikitd.flow.verbs.verb import ADDRESS, Flaw, Verb

_SCHEMES = frozenset({"http", "https", "ws", "wss"})


class UrlTerms(NamedTuple):
    """`live` asks for https and wss, and `allow_private` (development) for neither (contract §12, Egress)."""

    live: bool
    allow_private: bool


def forbidden_urls(verb: Verb, terms: UrlTerms) -> Iterator[Flaw]:
    """Absolute URLs of a verb that would be refused when they are asked. What they resolve to is looked at then."""
    for field, name, websocket in _addresses(type(verb)):
        url = getattr(verb, field)
        if not isinstance(url, str) or urlsplit(url).scheme.lower() not in _SCHEMES:
            continue  # relative, an uploaded sound, or nothing
        problem = check_url(url, live=terms.live, allow_private=terms.allow_private, websocket=websocket)
        if problem is not None:
            yield Flaw(name, problem.reason)


@cache
def _addresses(verb_class: type[Verb]) -> tuple[tuple[str, str, bool], ...]:
    """Field, JSON name, and whether it is a WebSocket's."""
    return tuple(
        (field.name, field.encode_name, kind == "websocket")
        for field in msgspec.structs.fields(verb_class)
        if (kind := _kind(field.type)) is not None
    )


def _kind(annotation: Any) -> str | None:
    for part in (annotation, *get_args(annotation)):
        for meta in getattr(part, "__metadata__", ()):
            if isinstance(meta, msgspec.Meta) and meta.extra and ADDRESS in meta.extra:
                return str(meta.extra[ADDRESS])
    return None
