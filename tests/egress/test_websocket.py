"""WebSockets through the guard: where they may not go, and what a server's answer comes to."""

import ssl
from collections.abc import Sequence

import pytest
from aiohttp import web

from sautikitd.egress.client import EgressClient, EgressLimits
from sautikitd.egress.failures import EgressFailure, EgressFailureKind
from sautikitd.egress.guard import EgressGuard


class Names:
    """A resolver that knows one name."""

    def __init__(self, address: str) -> None:
        self._address = address

    async def lookup(self, host: str) -> Sequence[str]:
        return [self._address]


async def _refusal(url: str, *, live: bool = True, address: str = "10.0.0.7") -> EgressFailure:
    async with EgressClient(EgressGuard(lookup=Names(address))) as client:
        with pytest.raises(EgressFailure) as caught:
            await client.websocket(url, live=live, headers={}, limits=EgressLimits(total_s=2))
    return caught.value


@pytest.mark.parametrize(
    "url",
    [
        "ws://bot.example/talk",  # plain, in live mode
        "https://bot.example/talk",
        "wss://127.0.0.1/talk",
        "wss://[::ffff:10.0.0.7]/talk",
        "wss://user:secret@bot.example/talk",
        "wss://bot.example/talk",  # resolves to a private address
    ],
)
async def test_what_may_not_be_reached_is_refused(url: str) -> None:
    assert (await _refusal(url)).kind is EgressFailureKind.REFUSED


async def test_test_mode_takes_plain_sockets_but_no_private_addresses() -> None:
    failure = await _refusal("ws://bot.example/talk", live=False)
    assert (failure.kind, "may not be reached" in failure.message) == (EgressFailureKind.REFUSED, True)


async def test_a_server_that_speaks_gets_the_headers_and_its_subprotocol() -> None:
    seen: list[str | None] = []

    async def talk(request: web.Request) -> web.WebSocketResponse:
        seen.append(request.headers.get("X-Shop"))
        socket = web.WebSocketResponse(protocols=("audio.drachtio.org",))
        await socket.prepare(request)
        await socket.send_str("jambo")
        await socket.close()
        return socket

    app = web.Application()
    app.router.add_get("/talk", talk)
    runner = web.AppRunner(app, shutdown_timeout=0.1)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    url = f"ws://127.0.0.1:{runner.addresses[0][1]}/talk"
    async with EgressClient(EgressGuard(allow_private=True)) as client:
        socket = await client.websocket(
            url, live=True, headers={"X-Shop": "duka"}, subprotocol="audio.drachtio.org"
        )
        assert (await socket.receive_str(), socket.protocol) == ("jambo", "audio.drachtio.org")
        await socket.close()
    await runner.cleanup()
    assert seen == ["duka"]


async def test_tls_is_checked_against_the_name_and_not_the_address(
    shop_tls: tuple[ssl.SSLContext, ssl.SSLContext],
) -> None:
    theirs, ours = shop_tls

    async def talk(request: web.Request) -> web.WebSocketResponse:
        socket = web.WebSocketResponse()
        await socket.prepare(request)
        await socket.send_str("jambo")
        await socket.close()
        return socket

    app = web.Application()
    app.router.add_get("/talk", talk)
    runner = web.AppRunner(app, shutdown_timeout=0.1)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0, ssl_context=theirs).start()
    port = runner.addresses[0][1]
    guard = EgressGuard(allow_private=True, lookup=Names("127.0.0.1"))
    async with EgressClient(guard, tls=ours) as client:
        socket = await client.websocket(f"wss://shop.test:{port}/talk", live=True, headers={})
        assert await socket.receive_str() == "jambo"
        await socket.close()
        with pytest.raises(EgressFailure) as caught:
            await client.websocket(f"wss://other.test:{port}/talk", live=True, headers={})
        assert caught.value.kind is EgressFailureKind.TLS
    await runner.cleanup()
