"""Whether a machine says that nobody listens on a UDP port: a wrong port told from a firewall that drops."""

import asyncio

_PATIENCE_S = 1.0


class _Probe(asyncio.DatagramProtocol):
    def __init__(self) -> None:
        self.refused = asyncio.Event()

    def error_received(self, exc: Exception) -> None:
        if isinstance(exc, ConnectionRefusedError):  # ICMP: port unreachable
            self.refused.set()


async def is_refused(address: str, port: int) -> bool:
    """Sends a keep-alive (RFC 5626 §4.4.1), which means nothing to who is there, and listens for a second."""
    try:
        transport, probe = await asyncio.get_running_loop().create_datagram_endpoint(
            _Probe, remote_addr=(address, port)
        )
    except OSError:
        return False
    try:
        transport.sendto(b"\r\n\r\n")
        async with asyncio.timeout(_PATIENCE_S):
            await probe.refused.wait()
        return True
    except TimeoutError:
        return False
    finally:
        transport.close()
