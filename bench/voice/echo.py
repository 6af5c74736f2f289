"""The bare relay: `python echo.py LEGS` opens as many ports, tells them, and echoes until its input ends."""

import asyncio
import json
import os
import sys

import uvloop


class Echo(asyncio.DatagramProtocol):
    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = transport

    def datagram_received(self, data: bytes, addr: tuple[str, int]) -> None:
        self.transport.sendto(data, addr)  # type: ignore[attr-defined]  # a DatagramTransport


async def relay(count: int) -> None:
    loop = asyncio.get_running_loop()
    made = [await loop.create_datagram_endpoint(Echo, local_addr=("127.0.0.1", 0)) for _ in range(count)]
    print(json.dumps([one.get_extra_info("sockname")[1] for one, _ in made]), flush=True)
    await loop.run_in_executor(None, sys.stdin.read)
    os._exit(0)


if __name__ == "__main__":
    uvloop.run(relay(int(sys.argv[1])))
