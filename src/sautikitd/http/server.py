"""The ASGI application: every endpoint mounted, and the same envelope for what no endpoint answers."""

from collections.abc import Awaitable, Callable, Sequence
from typing import Any

from litestar import HttpMethod, Litestar, Request, Response
from litestar.exceptions import HTTPException, MethodNotAllowedException, NotFoundException
from litestar.handlers import HTTPRouteHandler
from prometheus_client import CONTENT_TYPE_LATEST, generate_latest

from sautikitd.errors import Refusal
from sautikitd.http.endpoint import Answer, Endpoint
from sautikitd.http.errors import MethodNotAllowed, NotFound
from sautikitd.http.kernel import Kernel, request_id_of, respond
from sautikitd.http.openapi import document
from sautikitd.timestamps import encode_json

Hook = Callable[[], Awaitable[None]]


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
    handlers = [_mount(kernel, endpoint) for endpoint in endpoints]
    handlers += _service_handlers(encode_json(document(endpoints, public_url)), ready)
    return Litestar(
        route_handlers=handlers,
        openapi_config=None,
        on_startup=list(on_startup),
        on_shutdown=list(on_shutdown),
        exception_handlers={
            HTTPException: _unrouted(kernel, endpoints),
            Exception: _unrouted(kernel, endpoints),
        },
    )


def _mount(kernel: Kernel, endpoint: Endpoint) -> HTTPRouteHandler:
    async def handle(request: Request[Any, Any, Any]) -> Response[Any]:
        return await kernel.serve(endpoint, request)

    methods = [HttpMethod(endpoint.method)]
    if endpoint.method == "GET":
        methods.append(HttpMethod.HEAD)
    return HTTPRouteHandler(_litestar_path(endpoint.path), http_method=methods, status_code=200)(handle)


def _litestar_path(path: str) -> str:
    return path.replace("}", ":str}")


def _unrouted(kernel: Kernel, endpoints: Sequence[Endpoint]) -> Any:
    def answer(request: Request[Any, Any, Any], exc: Exception) -> Response[Any]:
        request_id = request_id_of(request)
        headers = {**kernel.security_headers, "X-Request-Id": request_id}
        refusal: Refusal
        if isinstance(exc, NotFoundException):
            refusal = NotFound()
        elif isinstance(exc, MethodNotAllowedException):
            allowed = ", ".join(sorted(_methods_of(request.url.path, endpoints)))
            refusal = MethodNotAllowed(method=request.method, allowed=allowed, headers={"Allow": allowed})
        else:
            refusal = Refusal()
        return respond(kernel.refuse(refusal, request_id), headers, head=request.method == "HEAD")

    return answer


def _methods_of(path: str, endpoints: Sequence[Endpoint]) -> set[str]:
    parts = path.strip("/").split("/")
    found = {"OPTIONS"}
    for endpoint in endpoints:
        pattern = endpoint.path.strip("/").split("/")
        if len(pattern) == len(parts) and all(
            p.startswith("{") or p == q for p, q in zip(pattern, parts, strict=True)
        ):
            found |= {endpoint.method} | ({"HEAD"} if endpoint.method == "GET" else set())
    return found


def _service_handlers(
    openapi: bytes, ready: Callable[[], Awaitable[dict[str, str]]]
) -> list[HTTPRouteHandler]:
    async def healthz() -> Response[Any]:
        return respond(Answer(body={"status": "ok"}), {})

    async def readyz() -> Response[Any]:
        checks = await ready()
        well = all(state == "ok" for state in checks.values())
        body = {"status": "ok" if well else "unavailable", "checks": checks}
        return respond(Answer(status=200 if well else 503, body=body), {})

    async def metrics() -> Response[Any]:
        return respond(Answer(body=generate_latest(), media_type=CONTENT_TYPE_LATEST), {})

    async def openapi_json() -> Response[Any]:
        return respond(Answer(body=openapi), {"Access-Control-Allow-Origin": "*"})

    served = {"/healthz": healthz, "/readyz": readyz, "/metrics": metrics, "/openapi.json": openapi_json}
    both = [HttpMethod.GET, HttpMethod.HEAD]
    return [HTTPRouteHandler(path, http_method=both)(handler) for path, handler in served.items()]
