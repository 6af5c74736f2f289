"""The cheapest receiver there is, in a process of its own: it answers 200 to every request and notes when it came."""

import asyncio
import time
from typing import Any, ClassVar, cast

import uvloop

SLOW_S = 9.9


class SinkProtocol(asyncio.Protocol):
    arrivals: ClassVar[list[tuple[float, float]]] = []

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.Transport", transport)  # uvloop's is no subclass
        self._buffer = b""

    def data_received(self, data: bytes) -> None:
        self._buffer += data
        while True:
            head, found, rest = self._buffer.partition(b"\r\n\r\n")
            if not found:
                return
            length = int(head.lower().partition(b"content-length:")[2].partition(b"\r\n")[0])
            if len(rest) < length:
                return
            body, self._buffer = rest[:length], rest[length:]
            if head.startswith(b"POST /slow"):
                asyncio.get_running_loop().call_later(SLOW_S, self._answer)
            elif not head.startswith(b"POST /hang"):
                stamp = body.partition(b'"at":')[2].partition(b"}")[0].partition(b",")[0]
                self.arrivals.append((time.time(), float(stamp)))
                self._answer()

    def _answer(self) -> None:
        if not self._transport.is_closing():
            self._transport.write(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok")


def sink(ports: Any, orders: Any) -> None:
    """Says its port through `ports`; an order is a number of arrivals to wait for, answered with them, or `stop`."""

    async def run() -> None:
        loop = asyncio.get_running_loop()
        server = await loop.create_server(SinkProtocol, "127.0.0.1", 0, backlog=2048)
        ports.send(server.sockets[0].getsockname()[1])
        while True:
            order = await asyncio.to_thread(orders.recv)
            if order == "stop":
                return
            for _ in range(12_000):  # a minute
                if len(SinkProtocol.arrivals) >= order:
                    break
                await asyncio.sleep(0.005)
            orders.send(list(SinkProtocol.arrivals))
            SinkProtocol.arrivals.clear()

    uvloop.run(run())
