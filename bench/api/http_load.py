"""A client that keeps some connections to one server busy with one request, as bytes on the wire."""

import asyncio
import time
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class Load:
    """One kind of request; each must be answered with 2xx. `keyed` gives each an Idempotency-Key of its own."""

    method: str
    path: str
    body: bytes = b""
    keyed: bool = False

    def head(self, key: str) -> bytes:
        head = f"{self.method} {self.path} HTTP/1.1\r\nHost: bench\r\nAuthorization: Bearer {key}\r\n"
        if self.body:
            head += f"Content-Type: application/json\r\nContent-Length: {len(self.body)}\r\n"
        return head.encode()


class Requests(asyncio.Protocol):
    """One connection that sends the next request when the answer is there."""

    def __init__(self, load: Load, key: str, until: float) -> None:
        self._load, self._head, self._until = load, load.head(key), until
        self.done: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self.times: list[float] = []
        self._buffer = b""

    def connection_made(self, transport: Any) -> None:
        self._transport = transport
        self._ask()

    def _ask(self) -> None:
        self._asked = time.perf_counter()
        head = self._head
        if self._load.keyed:
            head += f"Idempotency-Key: {id(self)}-{self._asked}\r\n".encode()
        self._transport.write(head + b"\r\n" + self._load.body)

    def data_received(self, data: bytes) -> None:
        self._buffer += data
        head, found, rest = self._buffer.partition(b"\r\n\r\n")
        if not found:
            return
        length = int(head.lower().partition(b"content-length:")[2].partition(b"\r\n")[0])
        if len(rest) < length:
            return
        if not head.startswith(b"HTTP/1.1 2"):
            self.done.set_exception(RuntimeError(head.decode() + rest.decode()))
            return
        now = time.perf_counter()
        self.times.append(now - self._asked)
        self._buffer = b""
        if now < self._until:
            self._ask()
        else:
            self._transport.close()
            self.done.set_result(None)


async def keep_busy(port: int, load: Load, key: str, connections: int, seconds: float) -> list[float]:
    """The seconds that each request took."""
    loop, started = asyncio.get_running_loop(), time.perf_counter()
    made = [
        await loop.create_connection(lambda: Requests(load, key, started + seconds), "127.0.0.1", port)
        for _ in range(connections)
    ]
    await asyncio.gather(*(protocol.done for _, protocol in made))
    return [one for _, protocol in made for one in protocol.times]
