"""Real HTTP over loopback; names are resolved by a table, so that DNS can lie at will."""

import asyncio
import gzip
import socket
import ssl
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager

import aiohttp
import pytest
from aiohttp import web

from sautikitd.egress.client import EgressClient, EgressLimits, sent_form
from sautikitd.egress.failures import EgressFailure, EgressFailureKind
from sautikitd.egress.guard import AddressRefused, EgressGuard

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]


class NameTable:
    """Answers each look-up of a host with the next of its answers, the last one for ever."""

    def __init__(self, **names: list[list[str]]) -> None:
        self.names = {name.replace("_", "."): answers for name, answers in names.items()}
        self.asked: list[str] = []

    async def lookup(self, host: str) -> Sequence[str]:
        self.asked.append(host)
        answers = self.names.get(host)
        if answers is None:
            raise socket.gaierror(socket.EAI_NONAME, "unknown")
        return answers.pop(0) if len(answers) > 1 else answers[0]


@asynccontextmanager
async def serving(handler: Handler, tls: ssl.SSLContext | None = None) -> AsyncIterator[int]:
    app = web.Application()
    app.router.add_route("*", "/{tail:.*}", handler)
    runner = web.AppRunner(app, shutdown_timeout=0.1)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0, ssl_context=tls)
    await site.start()
    try:
        yield runner.addresses[0][1]
    finally:
        await runner.cleanup()


async def failure_of(awaitable: Awaitable[object]) -> EgressFailure:
    with pytest.raises(EgressFailure) as caught:
        await awaitable
    return caught.value


async def hello(request: web.Request) -> web.StreamResponse:
    return web.Response(text=f"hello {request.host} {await request.text()}", headers={"X-A": "1"})


def private(lookup: NameTable | None = None) -> EgressClient:
    return EgressClient(
        EgressGuard(allow_private=True, lookup=lookup or NameTable(shop_test=[["127.0.0.1"]]))
    )


async def test_a_post_returns_status_headers_body_and_time() -> None:
    async with serving(hello) as port, private() as client:
        exchange = await client.request("POST", f"http://shop.test:{port}/x", live=True, body=b"there")
    assert exchange.status == 200
    assert exchange.ok
    assert exchange.body == f"hello shop.test:{port} there".encode()
    assert exchange.headers["x-a"] == "1"
    assert exchange.duration_ms >= 0
    assert not exchange.truncated


async def test_loopback_is_refused_by_default_without_a_connection() -> None:
    reached = []

    async def spy(request: web.Request) -> web.StreamResponse:
        reached.append(request)
        return web.Response()

    lookup = NameTable(rebind_test=[["127.0.0.1"]])
    async with serving(spy) as port, EgressClient(EgressGuard(lookup=lookup)) as client:
        for host in ("rebind.test", "127.0.0.1", "[::1]", "[::ffff:127.0.0.1]", "2130706433", "localhost"):
            failure = await failure_of(client.request("GET", f"http://{host}:{port}/", live=False))
            assert failure.kind is EgressFailureKind.REFUSED, host
    assert reached == []


async def test_a_name_that_turns_private_after_its_first_answer_is_refused() -> None:
    guard = EgressGuard(lookup=NameTable(rebind_test=[["93.184.216.34"], ["127.0.0.1"]]))
    assert guard.check_url("https://rebind.test/", live=True) is None
    assert await guard.resolve("rebind.test") == [
        "93.184.216.34"
    ]  # what a check before the request would see
    async with EgressClient(guard) as client:
        failure = await failure_of(client.request("GET", "https://rebind.test/", live=True))
    assert failure.kind is EgressFailureKind.REFUSED
    assert failure.message == "rebind.test resolves to an address that may not be reached"


async def test_one_private_address_among_public_ones_refuses_the_host() -> None:
    lookup = NameTable(mixed_test=[["93.184.216.34", "10.0.0.1"]])
    async with EgressClient(EgressGuard(lookup=lookup)) as client:
        failure = await failure_of(client.request("GET", "http://mixed.test/", live=False))
    assert failure.kind is EgressFailureKind.REFUSED


async def test_the_connector_refuses_an_address_even_if_nobody_looked_at_the_url() -> None:
    guard = EgressGuard(lookup=NameTable())
    async with (
        serving(hello) as port,
        aiohttp.ClientSession(connector=guard.connector(limit_per_host=1)) as session,
    ):
        with pytest.raises(aiohttp.ClientConnectorError) as caught:
            await session.get(f"http://127.0.0.1:{port}/")
    assert isinstance(caught.value.os_error, AddressRefused)


async def test_a_slow_host_does_not_hold_up_another() -> None:
    release = asyncio.Event()

    async def slow(request: web.Request) -> web.StreamResponse:
        await release.wait()
        return web.Response()

    guard = EgressGuard(allow_private=True, lookup=NameTable())
    async with serving(slow) as stuck, serving(hello) as quick, EgressClient(guard, per_host=2) as client:
        waiting = [
            asyncio.create_task(client.request("GET", f"http://127.0.0.1:{stuck}/", live=False))
            for _ in range(5)
        ]
        assert (await client.request("GET", f"http://127.0.0.1:{quick}/", live=False)).ok
        release.set()
        await asyncio.gather(*waiting)


async def test_a_kept_connection_is_used_again_without_another_look_up() -> None:
    peers = set()

    async def peer(request: web.Request) -> web.StreamResponse:
        assert request.transport is not None
        peers.add(request.transport.get_extra_info("peername"))
        return web.Response()

    lookup = NameTable(shop_test=[["127.0.0.1"]])
    async with serving(peer) as port, private(lookup) as client:
        for _ in range(3):
            await client.request("GET", f"http://shop.test:{port}/", live=False)
    assert len(peers) == 1
    assert lookup.asked == ["shop.test"]


async def test_redirects_are_not_followed() -> None:
    async def away(request: web.Request) -> web.StreamResponse:
        return web.Response(status=302, headers={"Location": "http://127.0.0.1:1/"})

    async with serving(away) as port, private() as client:
        exchange = await client.request("GET", f"http://127.0.0.1:{port}/", live=False)
    assert exchange.status == 302
    assert not exchange.ok


async def test_environment_proxies_are_not_used(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("http_proxy", "http://127.0.0.1:1/")
    async with serving(hello) as port, private() as client:
        assert (await client.request("GET", f"http://shop.test:{port}/", live=False)).ok


async def test_long_bodies_are_cut_or_refused() -> None:
    async def long(request: web.Request) -> web.StreamResponse:
        return web.Response(body=b"x" * 100_000)

    async with serving(long) as port, private() as client:
        url = f"http://127.0.0.1:{port}/"
        cut = await client.request("GET", url, live=False, limits=EgressLimits(body_bytes=4096))
        assert (len(cut.body), cut.truncated) == (4096, True)
        limits = EgressLimits(body_bytes=4096, truncate=False)
        failure = await failure_of(client.request("GET", url, live=False, limits=limits))
    assert failure.kind is EgressFailureKind.TOO_LARGE
    assert not failure.before_response
    assert not failure.is_connection_error


async def test_a_compressed_bomb_is_cut_after_unpacking() -> None:
    async def bomb(request: web.Request) -> web.StreamResponse:
        return web.Response(body=gzip.compress(b"0" * 50_000_000), headers={"Content-Encoding": "gzip"})

    async with serving(bomb) as port, private() as client:
        limits = EgressLimits(body_bytes=10_000)
        cut = await client.request("GET", f"http://127.0.0.1:{port}/", live=False, limits=limits)
    assert (cut.body, cut.truncated) == (b"0" * 10_000, True)


async def test_a_server_that_drips_runs_into_the_total_time_limit() -> None:
    async def drip(request: web.Request) -> web.StreamResponse:
        response = web.StreamResponse()
        await response.prepare(request)
        for _ in range(100):
            await response.write(b".")
            await asyncio.sleep(0.02)
        return response

    async with serving(drip) as port, private() as client:
        limits = EgressLimits(total_s=0.2)
        failure = await failure_of(
            client.request("GET", f"http://127.0.0.1:{port}/", live=False, limits=limits)
        )
    assert failure.kind is EgressFailureKind.TIMEOUT
    assert not failure.before_response
    assert 150 <= failure.duration_ms < 1500


async def test_failures_to_connect_are_told_apart() -> None:
    with socket.socket() as reserved:
        reserved.bind(("127.0.0.1", 0))
        port = reserved.getsockname()[1]
        async with private() as client:
            refused = await failure_of(client.request("GET", f"http://127.0.0.1:{port}/", live=False))
            unknown = await failure_of(client.request("GET", "http://nowhere.test/", live=False))
    assert refused.kind is EgressFailureKind.CONNECT
    assert unknown.kind is EgressFailureKind.DNS
    assert refused.is_connection_error
    assert unknown.is_connection_error


@pytest.mark.parametrize(
    ("answer", "kind"),
    [(b"", EgressFailureKind.RESET), (b"220 mail.test ESMTP\r\n\r\n", EgressFailureKind.PROTOCOL)],
)
async def test_a_peer_that_does_not_speak_http_is_a_failure_before_the_response(
    answer: bytes, kind: EgressFailureKind
) -> None:
    async def speak(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(answer)
        await writer.drain()
        writer.close()

    server = await asyncio.start_server(speak, "127.0.0.1", 0)
    async with server, private() as client:
        port = server.sockets[0].getsockname()[1]
        failure = await failure_of(client.request("POST", f"http://127.0.0.1:{port}/", live=False, body=b"x"))
    assert failure.kind is kind
    assert failure.before_response


async def test_tls_checks_the_original_name_on_the_checked_address(
    shop_tls: tuple[ssl.SSLContext, ssl.SSLContext],
) -> None:
    server_side, client_side = shop_tls
    lookup = NameTable(shop_test=[["127.0.0.1"]], other_test=[["127.0.0.1"]])
    guard = EgressGuard(allow_private=True, lookup=lookup)
    async with serving(hello, server_side) as port, EgressClient(guard, tls=client_side) as client:
        good = await client.request("GET", f"https://shop.test:{port}/", live=True)
        wrong_name = await failure_of(client.request("GET", f"https://other.test:{port}/", live=True))
    assert good.ok
    assert wrong_name.kind is EgressFailureKind.TLS


async def test_live_mode_refuses_plain_http() -> None:
    async with EgressClient(EgressGuard(lookup=NameTable())) as client:
        failure = await failure_of(client.request("GET", "http://example.com/", live=True))
    assert failure.kind is EgressFailureKind.REFUSED


def test_the_sent_form_is_ascii_without_fragment() -> None:
    assert sent_form("https://bücher.example/ä?q=a%2Bb&x=ü#top") == (
        "https://xn--bcher-kva.example/%C3%A4?q=a%2Bb&x=%C3%BC"
    )
