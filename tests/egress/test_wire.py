"""HTTP/1.1 as servers really speak it, over loopback: framing, kept connections, and what breaks them."""

import asyncio
import ssl
from collections.abc import AsyncIterator

import pytest

from egress.wire import OK, Peer, Server, answering, answering_once, speaking
from sautikitd.egress.client import EgressClient, EgressLimits, Exchange
from sautikitd.egress.connection import LARGE_BODY
from sautikitd.egress.failures import EgressFailure, EgressFailureKind
from sautikitd.egress.guard import EgressGuard


@pytest.fixture
async def client() -> AsyncIterator[EgressClient]:
    async with EgressClient(EgressGuard(allow_private=True)) as client:
        yield client


async def post(
    client: EgressClient, server: Server, body: bytes = b"x", limits: EgressLimits | None = None
) -> Exchange:
    return await client.request("POST", server.url(), live=False, body=body, limits=limits)


async def failure(client: EgressClient, server: Server, limits: EgressLimits | None = None) -> EgressFailure:
    with pytest.raises(EgressFailure) as caught:
        await post(client, server, limits=limits)
    return caught.value


@pytest.mark.parametrize(
    ("pieces", "body"),
    [
        ([OK], b"ok"),
        ([bytes([byte]) for byte in OK], b"ok"),
        ([b"HTTP/1.1 204 No Content\r\n\r\n"], b""),
        ([b"HTTP/1.1 200\r\nContent-Length: 0\r\n\r\n"], b""),
        ([b"HTTP/1.1 200 OK\nContent-Length: 2\n\nok"], b"ok"),
        ([b"HTTP/1.1 200 OK\r\nContent-Length: 2, 2\r\n\r\nok"], b"ok"),
        (
            [b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nok\r\n0\r\n\r\n"],
            b"ok",
        ),
        (
            [
                b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n",
                *(bytes([byte]) for byte in b"1;x=y\r\no\r\n0A\r\nk234567890\r\n0\r\nX-Sum: 1\r\n\r\n"),
            ],
            b"ok234567890",
        ),
        (
            [b"HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\n", b"HTTP/1.1 100 Continue\r\n\r\n", OK],
            b"ok",
        ),
        ([b"HTTP/1.1 100 Continue\r\n\r\n" + OK], b"ok"),
    ],
)
async def test_a_response_is_read_to_its_end_and_its_connection_used_again(
    client: EgressClient, pieces: list[bytes], body: bytes
) -> None:
    async with speaking(answering(*pieces)) as server:
        for _ in range(3):
            assert (await post(client, server)).body == body
    assert server.connections == 1


@pytest.mark.parametrize(
    "answer",
    [
        b"HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 2\r\n\r\nok",
        b"HTTP/1.0 200 OK\r\nContent-Length: 2\r\n\r\nok",
        b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nKeep-Alive: timeout=1\r\n\r\nok",
        OK + OK,  # a second answer that nobody asked for
        b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nok\r\n0\r\n\r\n",
    ],
)
async def test_a_connection_that_may_not_be_kept_is_not_used_again(
    client: EgressClient, answer: bytes
) -> None:
    async with speaking(answering(answer)) as server:
        for number in range(1, 4):
            assert (await post(client, server)).body == b"ok"
            assert server.connections == number


async def test_a_body_without_a_length_ends_with_its_connection(client: EgressClient) -> None:
    async with speaking(answering_once(b"HTTP/1.1 200 OK\r\n\r\nall ", b"of it")) as server:
        assert (await post(client, server)).body == b"all of it"


async def test_a_connection_that_the_server_closed_meanwhile_is_replaced_before_anything_is_sent(
    client: EgressClient,
) -> None:
    closed = asyncio.Event()

    async def once(peer: Peer) -> None:
        await peer.request()
        await peer.say(OK)
        peer.close()
        closed.set()

    async with speaking(once) as server:
        for number in range(1, 4):
            assert (await post(client, server)).ok
            await closed.wait()
            closed.clear()
            assert server.connections == number


async def test_a_request_that_was_sent_is_never_sent_again(client: EgressClient) -> None:
    seen = []

    async def greedy(peer: Peer) -> None:
        seen.append(await peer.request())
        await peer.say(OK)
        seen.append(await peer.request())  # taken, and not answered

    async with speaking(greedy) as server:
        assert (await post(client, server)).ok
        lost = await failure(client, server)
    assert lost.kind is EgressFailureKind.RESET
    assert lost.before_response
    assert len(seen) == 2
    assert server.connections == 1


async def test_a_repeatable_request_lost_with_its_kept_connection_is_sent_once_more_over_a_new_one(
    client: EgressClient,
) -> None:
    seen = []

    async def forgetful(peer: Peer) -> None:
        seen.append(await peer.request())
        await peer.say(OK)
        seen.append(await peer.request())  # taken, and not answered

    async with speaking(forgetful) as server:
        for number in (1, 2, 3):
            sent = await client.request("POST", server.url(), live=False, body=b"x", repeatable=True)
            assert sent.ok
            assert server.connections == number
    assert len(seen) == 5  # the second and the third twice


@pytest.mark.parametrize("said", [b"", b"HTTP/1.1 200 OK\r\n", b"HTTP/1.1 100 Continue\r\n\r\n"])
async def test_it_is_not_sent_a_third_time_nor_once_an_answer_has_begun_nor_over_a_first_connection(
    client: EgressClient, said: bytes
) -> None:
    seen = []

    async def breaking(peer: Peer) -> None:
        seen.append(await peer.request())
        if len(seen) == 1:
            await peer.say(OK)
            seen.append(await peer.request())
        if said:
            await peer.say(said)

    async with speaking(breaking) as server:
        assert (await post(client, server)).ok
        with pytest.raises(EgressFailure):
            await client.request("POST", server.url(), live=False, body=b"x", repeatable=True)
        assert len(seen) == (2 if said else 3)
        with pytest.raises(EgressFailure):
            await client.request("POST", server.url(), live=False, body=b"x", repeatable=True)
    assert len(seen) == (3 if said else 4)


@pytest.mark.parametrize(
    "answer",
    [
        b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nshort",
        b"HTTP/1.1 200 OK\r\nContent-Length: 50\r\n\r\nshort",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nshort\r\n",
        b"HTTP/1.1 200 OK\r\nConte",
    ],
)
async def test_a_response_that_breaks_off_is_a_failure(client: EgressClient, answer: bytes) -> None:
    async with speaking(answering_once(answer)) as server:
        if b": 5\r\n" in answer:
            assert (await post(client, server)).body == b"short"
        else:
            assert (await failure(client, server)).kind is EgressFailureKind.RESET


@pytest.mark.parametrize(
    "answer",
    [
        b"SSH-2.0-OpenSSH_9.9\r\n",
        b"HTTP/2 200\r\n\r\n",
        b"HTTP/1.1 OK\r\n\r\n",
        b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: x\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nno colon\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nBad Name: 1\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nContent-Length: 1, 2\r\n\r\nab",
        b"HTTP/1.1 200 OK\r\nContent-Length: -1\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nokay\r\n",
        b"HTTP/1.1 100 Continue\r\n\r\n" * 100,
        b"HTTP/1.1 200 OK\r\nX: " + b"x" * 100_000,
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2;" + b"x" * 100_000,
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n" + b"X: y\r\n" * 20_000,
        b"HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\nContent-Length: 4\r\n\r\nnope",
    ],
)
async def test_what_is_no_http_is_refused(client: EgressClient, answer: bytes) -> None:
    async with speaking(answering_once(answer)) as server:
        assert (await failure(client, server)).kind is EgressFailureKind.PROTOCOL


@pytest.mark.parametrize("head", [b"", b"Transfer-Encoding: chunked\r\n"])
async def test_an_endless_body_is_cut_and_its_connection_closed(client: EgressClient, head: bytes) -> None:
    hung_up = asyncio.Event()

    async def endless(peer: Peer) -> None:
        await peer.request()
        await peer.say(b"HTTP/1.1 200 OK\r\n" + head + b"\r\n")
        try:
            while True:
                await peer.say(b"1000\r\n" + b"x" * 4096 + b"\r\n" if head else b"x" * 4096)
        finally:
            hung_up.set()

    async with speaking(endless) as server:
        exchange = await post(client, server, limits=EgressLimits(body_bytes=10_000))
        assert (len(exchange.body), exchange.truncated) == (10_000, True)
        await asyncio.wait_for(hung_up.wait(), 5)


async def test_a_request_that_is_given_up_closes_its_connection(client: EgressClient) -> None:
    asked, hung_up = asyncio.Event(), asyncio.Event()

    async def silent(peer: Peer) -> None:
        await peer.request()
        asked.set()
        await peer.hung_up()
        hung_up.set()

    async with speaking(silent) as server:
        sending = asyncio.create_task(post(client, server))
        await asked.wait()
        sending.cancel()
        await asyncio.gather(sending, return_exceptions=True)
        await asyncio.wait_for(hung_up.wait(), 5)
        assert (await failure(client, server, EgressLimits(total_s=0.2))).kind is EgressFailureKind.TIMEOUT


async def test_a_large_body_arrives_whole_however_slowly_it_is_taken(client: EgressClient) -> None:
    body = bytes(range(256)) * (LARGE_BODY // 64)
    got = []

    async def slow(peer: Peer) -> None:
        got.append(await peer.request())
        await peer.say(OK)

    async with speaking(slow) as server:
        assert (await post(client, server, body)).ok
    assert got[0].partition(b"\r\n\r\n")[2] == body


async def test_an_answer_before_the_end_of_a_large_body_is_taken(client: EgressClient) -> None:
    async def impatient(peer: Peer) -> None:
        await peer.head()
        await peer.say(b"HTTP/1.1 413 Too Large\r\nContent-Length: 0\r\n\r\n")
        await peer.hung_up()

    async with speaking(impatient) as server:
        assert (await post(client, server, b"x" * 50_000_000)).status == 413
        assert (await post(client, server, b"x" * 50_000_000)).status == 413
    assert server.connections == 2


async def test_only_so_many_connections_go_to_one_host_and_the_others_wait_their_turn() -> None:
    open_at_once = most = 0

    async def counting(peer: Peer) -> None:
        nonlocal open_at_once, most
        while True:
            await peer.request()
            open_at_once += 1
            most = max(most, open_at_once)
            await asyncio.sleep(0.01)
            open_at_once -= 1
            await peer.say(OK)

    guard = EgressGuard(allow_private=True)
    async with speaking(counting) as server, EgressClient(guard, per_host=3) as client:
        waiting = [asyncio.create_task(post(client, server)) for _ in range(20)]
        await asyncio.sleep(0.005)
        for task in waiting[10:15]:
            task.cancel()  # those who give up in the row hand their turn on
        results = await asyncio.gather(*waiting, return_exceptions=True)
    assert sum(isinstance(result, Exchange) for result in results) == 15
    assert most == 3
    assert server.connections == 3


@pytest.mark.parametrize(
    "header",
    [
        ("X-A", "1\r\nX-B: 2"),
        ("X-A", "1\nX-B: 2"),
        ("X\r\n\r\n", "1"),
        ("X-A", "\x00"),
        ("Content-Length", "5"),
    ],
)
async def test_a_header_cannot_end_its_line_or_the_message(
    client: EgressClient, header: tuple[str, str]
) -> None:
    async with speaking(answering(OK)) as server:
        with pytest.raises(EgressFailure) as caught:
            await client.request("POST", server.url(), live=False, headers=dict([header]), body=b"x")
    assert caught.value.kind is EgressFailureKind.REFUSED
    assert server.connections == 0


async def test_the_request_carries_its_host_its_length_and_no_more_than_was_asked(
    client: EgressClient,
) -> None:
    got = []

    async def keep(peer: Peer) -> None:
        got.append(await peer.request())
        await peer.say(OK)

    async with speaking(keep) as server:
        await client.request(
            "POST", server.url("/a%20b?c=ü#d"), live=False, headers={"X-A": "é"}, body=b"body"
        )
    head, _, body = got[0].partition(b"\r\n\r\n")
    assert head.split(b"\r\n") == [
        b"POST /a%20b?c=%C3%BC HTTP/1.1",
        f"Host: 127.0.0.1:{server.port}".encode(),
        b"User-Agent: Sautikit/1.0",
        b"Accept: */*",
        b"Accept-Encoding: identity",
        b"Content-Length: 4",
        "X-A: é".encode(),
    ]
    assert body == b"body"


async def test_a_kept_connection_over_tls_is_used_again_and_a_stranger_s_certificate_refused(
    shop_tls: tuple[ssl.SSLContext, ssl.SSLContext],
) -> None:
    server_side, client_side = shop_tls
    connections = 0

    async def talk(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        nonlocal connections
        connections += 1
        try:
            while True:
                await reader.readuntil(b"\r\n\r\n")
                writer.write(OK)
        except (asyncio.IncompleteReadError, ConnectionError):
            writer.close()

    class ShopIsHere:
        async def lookup(self, host: str) -> list[str]:
            return ["127.0.0.1"]

    guard = EgressGuard(allow_private=True, lookup=ShopIsHere())
    listening = await asyncio.start_server(talk, "127.0.0.1", 0, ssl=server_side)
    url = f"https://shop.test:{listening.sockets[0].getsockname()[1]}/"
    async with listening:
        async with EgressClient(guard, tls=client_side) as client:
            for _ in range(3):
                assert (await client.request("GET", url, live=True)).body == b"ok"
        async with EgressClient(guard) as stranger:
            with pytest.raises(EgressFailure) as caught:
                await stranger.request("GET", url, live=True)
    assert connections <= 2
    assert caught.value.kind is EgressFailureKind.TLS
