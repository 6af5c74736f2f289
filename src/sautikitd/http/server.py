"""The ASGI application: every endpoint mounted, and the same envelope for what no endpoint answers."""

from collections.abc import Awaitable, Callable, Sequence
from typing import Any, TypeAlias

import msgspec
import structlog
from litestar import HttpMethod, Litestar, Request, Response
from litestar.datastructures import MutableScopeHeaders
from litestar.exceptions import HTTPException, MethodNotAllowedException, NotFoundException
from litestar.handlers import HTTPRouteHandler
from prometheus_client import CONTENT_TYPE_LATEST, generate_latest

from sautikitd.errors import Refusal
from sautikitd.http.conventions import ANY_ORIGIN, preflight, respond
from sautikitd.http.endpoint import Answer, Endpoint
from sautikitd.http.errors import MethodNotAllowed, NotFound
from sautikitd.http.kernel import Kernel, request_id_of
from sautikitd.http.openapi import document
from sautikitd.timestamps import encode_json

log = structlog.get_logger()
Hook = Callable[[], Awaitable[None]]
Asked: TypeAlias = Request[Any, Any, Any]


def build(
    kernel: Kernel,
    endpoints: Sequence[Endpoint],
    *,
    public_url: str,
    ready: Callable[[], Awaitable[dict[str, str]]],
    on_startup: Sequence[Hook] = (),
    on_shutdown: Sequence[Hook] = (),
) -> Litestar:
    """`ready` names each thing the API needs and its state, `ok` or what is wrong."""
    by_path: dict[str, dict[str, Endpoint]] = {}
    for endpoint in endpoints:
        by_path.setdefault(endpoint.path, {})[endpoint.method] = endpoint
    handlers = [_mount(kernel, path, by_method) for path, by_method in by_path.items()]
    handlers += _service_handlers(kernel, document(endpoints, public_url), ready)
    return Litestar(
        route_handlers=handlers,
        openapi_config=None,
        logging_config=None,  # the process decides about logging, not the framework
        on_startup=list(on_startup),
        on_shutdown=list(on_shutdown),
        exception_handlers={HTTPException: _unrouted(kernel), Exception: _unrouted(kernel)},
        before_send=[_name_request],
        request_max_body_size=None,  # each endpoint has its own limit, kept by the kernel
    )


def _mount(kernel: Kernel, path: str, by_method: dict[str, Endpoint]) -> HTTPRouteHandler:
    """One handler for all methods of a path: with several, Litestar's OPTIONS names only the first one's."""
    served = dict(by_method)
    if "GET" in served:
        served["HEAD"] = served["GET"]
    allowed = ", ".join(sorted([*served, "OPTIONS"]))
    open_to_browsers = ", ".join(sorted(method for method, one in served.items() if one.browser_safe))
    options = {**kernel.security_headers, "Allow": allowed}
    if open_to_browsers:
        options.update(preflight(open_to_browsers))

    async def handle(request: Request[Any, Any, Any]) -> Response[Any]:
        endpoint = served.get(request.method)
        if endpoint is None:
            return Response(b"", status_code=204, headers=options)
        return await kernel.serve(endpoint, request)

    methods = [HttpMethod(method) for method in [*served, "OPTIONS"]]
    return HTTPRouteHandler(_litestar_path(path), http_method=methods, status_code=200)(handle)


def _litestar_path(path: str) -> str:
    return path.replace("}", ":str}")


async def _name_request(message: Any, scope: Any) -> None:
    """Every response has its request id, also where no endpoint answered: OPTIONS, /healthz and the like."""
    if message["type"] == "http.response.start" and not any(
        name == b"x-request-id" for name, _ in message["headers"]
    ):
        headers = MutableScopeHeaders.from_message(message)
        headers["X-Request-Id"] = request_id_of(Request(scope))


def _unrouted(kernel: Kernel) -> Any:
    def answer(request: Request[Any, Any, Any], exc: Exception) -> Response[Any]:
        request_id = request_id_of(request)
        headers = {**kernel.security_headers, "X-Request-Id": request_id}
        refusal: Refusal
        if isinstance(exc, NotFoundException):
            refusal = NotFound()
        elif isinstance(exc, MethodNotAllowedException):
            allowed = _allowed(exc)
            refusal = MethodNotAllowed(method=request.method, allowed=allowed, headers={"Allow": allowed})
        elif isinstance(exc, HTTPException) and exc.status_code < 500:
            log.info("request not understood", request_id=request_id, error=repr(exc))
            refusal = NotFound()
        else:
            log.error("request failed", request_id=request_id, exc_info=exc)
            refusal = Refusal()
        return respond(kernel.refuse(refusal, request_id), headers, head=request.method == "HEAD")

    return answer


def _allowed(exc: MethodNotAllowedException) -> str:
    """The methods of an address; the router names them when it refuses one."""
    named = (exc.headers or {}).get("allow", "")
    return ", ".join(sorted(method.strip() for method in named.split(",")))


def _service_handlers(
    kernel: Kernel, described: dict[str, Any], ready: Callable[[], Awaitable[dict[str, str]]]
) -> list[HTTPRouteHandler]:
    """What needs no key: health, metrics, and the document, in JSON and in YAML."""
    as_json, as_yaml = encode_json(described), msgspec.yaml.encode(described)

    async def healthz(request: Asked) -> Response[Any]:
        return sent(Answer(body={"status": "ok"}), request)

    async def readyz(request: Asked) -> Response[Any]:
        checks = await ready()
        well = all(state == "ok" for state in checks.values())
        body = {"status": "ok" if well else "unavailable", "checks": checks}
        return sent(Answer(status=200 if well else 503, body=body), request)

    async def metrics(request: Asked) -> Response[Any]:
        return sent(Answer(body=generate_latest(), media_type=CONTENT_TYPE_LATEST), request)

    async def openapi_json(request: Asked) -> Response[Any]:
        return document_of(Answer(body=as_json), request)

    async def openapi_yaml(request: Asked) -> Response[Any]:
        return document_of(Answer(body=as_yaml, media_type="application/yaml"), request)

    def sent(answer: Answer, request: Asked) -> Response[Any]:
        headers = request.headers
        return respond(answer, kernel.security_headers, asked=headers, head=request.method == "HEAD")

    def document_of(answer: Answer, request: Asked) -> Response[Any]:
        answer.headers = {**ANY_ORIGIN, "Cache-Control": "public, max-age=300"}
        headers = {**kernel.security_headers}
        return respond(answer, headers, asked=request.headers, head=request.method == "HEAD", validated=True)

    served = {
        "/healthz": healthz,
        "/readyz": readyz,
        "/metrics": metrics,
        "/openapi.json": openapi_json,
        "/openapi.public.yaml": openapi_yaml,
    }
    both = [HttpMethod.GET, HttpMethod.HEAD]
    return [HTTPRouteHandler(path, http_method=both)(handler) for path, handler in served.items()]
