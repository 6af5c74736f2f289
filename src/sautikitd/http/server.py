"""The ASGI application: every endpoint at its address, and the same envelope for what no endpoint answers."""

from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import Any

import msgspec
import structlog
from prometheus_client import CONTENT_TYPE_LATEST, generate_latest

from sautikitd.errors import Refusal
from sautikitd.http import error_pages
from sautikitd.http.conventions import ANY_ORIGIN, preflight, respond
from sautikitd.http.endpoint import Answer, Endpoint
from sautikitd.http.errors import MalformedRequest, MethodNotAllowed, NotFound
from sautikitd.http.exchange import Disconnected, Exchange, Outgoing, Receive, Scope, Send, Whole
from sautikitd.http.kernel import Kernel, request_id_of
from sautikitd.http.openapi import document
from sautikitd.http.routing import Router
from sautikitd.timestamps import encode_json

log = structlog.get_logger()
_DOCUMENTS = (_AS_JSON, _AS_YAML) = ("/openapi.json", "/openapi.public.yaml")
Serve = Callable[[Exchange], Awaitable[Outgoing]]


class Resource:
    """What is at one address: who serves each method, and what OPTIONS answers."""

    def __init__(self, kernel: Kernel, served: Mapping[str, Serve], *, open_to_browsers: str = "") -> None:
        self.served = dict(served)
        if "GET" in self.served:
            self.served["HEAD"] = self.served["GET"]
        self.allowed = ", ".join(sorted([*self.served, "OPTIONS"]))
        self.options = {**kernel.security_headers, "Allow": self.allowed}
        if open_to_browsers:
            self.options.update(preflight(open_to_browsers))


class Application:
    """ASGI 3.0: HTTP, and the lifespan messages that servers send. There are no WebSockets here."""

    def __init__(self, kernel: Kernel, router: Router[Resource]) -> None:
        self._kernel = kernel
        self._router = router

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http":
            await self._serve(Exchange(scope, receive, send))
        elif scope["type"] == "lifespan":
            await _live(receive, send)
        else:
            await send({"type": "websocket.close", "code": 1000})

    async def _serve(self, exchange: Exchange) -> None:
        try:
            answer = await self._answer(exchange)
        except Disconnected:  # or only silent: one that has said all he has to say still listens
            reason = "its body ended too early, or is framed wrongly"
            answer = self._refused(exchange, MalformedRequest(reason=reason), request_id_of(exchange))
        except Exception:
            request_id = request_id_of(exchange)
            log.exception("request failed", request_id=request_id)
            answer = self._refused(exchange, Refusal(), request_id)
        await exchange.answer(answer)

    async def _answer(self, exchange: Exchange) -> Outgoing:
        if exchange.version == "1.1" and not exchange.headers.get("host"):  # RFC 9112 §3.2
            nameless = MalformedRequest(reason="it has no Host header")
            return self._refused(exchange, nameless, request_id_of(exchange))
        found = self._router.find(exchange.path)
        if found is None:
            return self._refused(exchange, NotFound(), request_id_of(exchange))
        resource, exchange.path_values = found
        serve = resource.served.get(exchange.method)
        if serve is not None:
            return await serve(exchange)
        request_id = request_id_of(exchange)
        if exchange.method == "OPTIONS":
            return Whole(b"", 204, {**resource.options, "X-Request-Id": request_id}, "")
        allowed = resource.allowed
        refusal = MethodNotAllowed(method=exchange.method, allowed=allowed, headers={"Allow": allowed})
        return self._refused(exchange, refusal, request_id)

    def _refused(self, exchange: Exchange, refusal: Refusal, request_id: str) -> Outgoing:
        headers = {**self._kernel.security_headers, "X-Request-Id": request_id}
        return respond(self._kernel.refuse(refusal, request_id), headers, head=exchange.method == "HEAD")


def build(
    kernel: Kernel,
    endpoints: Sequence[Endpoint],
    *,
    public_url: str,
    ready: Callable[[], Awaitable[dict[str, str]]],
) -> Application:
    """`ready` names each thing the API needs and its state, `ok` or what is wrong."""
    by_path: dict[str, dict[str, Endpoint]] = {}
    for endpoint in endpoints:
        by_path.setdefault(endpoint.path, {})[endpoint.method] = endpoint
    router: Router[Resource] = Router()
    for path, by_method in by_path.items():
        served = {method: _served_by(kernel, endpoint) for method, endpoint in by_method.items()}
        safe = {method for method, endpoint in by_method.items() if endpoint.browser_safe}
        safe |= {"HEAD"} if "GET" in safe else set()
        router.add(path, Resource(kernel, served, open_to_browsers=", ".join(sorted(safe))))
    for path, serve in _services(kernel, document(endpoints, public_url), ready).items():
        safe_methods = "GET, HEAD" if path in _DOCUMENTS else ""
        router.add(path, Resource(kernel, {"GET": serve}, open_to_browsers=safe_methods))
    return Application(kernel, router)


def _served_by(kernel: Kernel, endpoint: Endpoint) -> Serve:
    async def serve(exchange: Exchange) -> Outgoing:
        return await kernel.serve(endpoint, exchange)

    return serve


async def _live(receive: Receive, send: Send) -> None:
    """We start before the server and end after it: it hears that all is well."""
    while True:
        message = await receive()
        await send({"type": f"{message['type']}.complete"})
        if message["type"] == "lifespan.shutdown":
            return


def _services(
    kernel: Kernel, described: dict[str, Any], ready: Callable[[], Awaitable[dict[str, str]]]
) -> dict[str, Serve]:
    """What needs no key: health, metrics, the document, in JSON and in YAML, and its error codes as pages."""
    as_json, as_yaml = encode_json(described), msgspec.yaml.encode(described)
    pages = error_pages.ErrorPages(described)

    async def healthz(exchange: Exchange) -> Outgoing:
        return sent(Answer(body={"status": "ok"}), exchange)

    async def readyz(exchange: Exchange) -> Outgoing:
        checks = await ready()
        well = all(state == "ok" for state in checks.values())
        body = {"status": "ok" if well else "unavailable", "checks": checks}
        return sent(Answer(status=200 if well else 503, body=body), exchange)

    async def metrics(exchange: Exchange) -> Outgoing:
        return sent(Answer(body=generate_latest(), media_type=CONTENT_TYPE_LATEST), exchange)

    async def openapi_json(exchange: Exchange) -> Outgoing:
        return document_of(Answer(body=as_json), exchange)

    async def openapi_yaml(exchange: Exchange) -> Outgoing:
        return document_of(Answer(body=as_yaml, media_type="application/yaml"), exchange)

    async def error_index(exchange: Exchange) -> Outgoing:
        return page(pages.index(), exchange)

    async def error_page(exchange: Exchange) -> Outgoing:
        found = pages.page(exchange.path_values["code"])
        return page(pages.missing(), exchange, status=404) if found is None else page(found, exchange)

    def page(html: bytes, exchange: Exchange, status: int = 200) -> Outgoing:
        answer = Answer(status=status, body=html, media_type="text/html")
        answer.headers = dict(error_pages.HEADERS)
        return sent(answer, exchange, validated=True)

    def document_of(answer: Answer, exchange: Exchange) -> Outgoing:
        answer.headers = {**ANY_ORIGIN, "Cache-Control": "public, max-age=300"}
        return sent(answer, exchange, validated=True)

    def sent(answer: Answer, exchange: Exchange, *, validated: bool = False) -> Outgoing:
        headers = {**kernel.security_headers, "X-Request-Id": request_id_of(exchange)}
        head = exchange.method == "HEAD"
        return respond(answer, headers, asked=exchange.headers, head=head, validated=validated)

    return {
        "/healthz": healthz,
        "/readyz": readyz,
        "/metrics": metrics,
        _AS_JSON: openapi_json,
        _AS_YAML: openapi_yaml,
        error_pages.PATH: error_index,
        error_pages.PATH + "/{code}": error_page,
    }
