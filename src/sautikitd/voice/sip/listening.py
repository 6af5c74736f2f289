"""Where we listen: at `::` for both families, on every transport alike.

asyncio and uvloop make a socket for TCP at `::` one for IPv6 alone, and one for UDP for both. What comes in over such a
socket has IPv4 addresses in the form `::ffff:192.0.2.1`; everything above knows them as `192.0.2.1`.
"""

import socket
from typing import Any

EVERYWHERE = "::"


def listening_socket(port: int) -> socket.socket:
    """For TCP at `::`, port 0 for one that is free. Raises `OSError`."""
    made = socket.socket(socket.AF_INET6, socket.SOCK_STREAM)
    try:
        made.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 0)
        made.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        made.bind((EVERYWHERE, port))
        made.setblocking(False)
    except OSError:
        made.close()
        raise
    return made


def place_of(host: str, port: int) -> dict[str, Any]:
    """Of `create_server`: the arguments that say where."""
    return {"sock": listening_socket(port)} if host == EVERYWHERE else {"host": host, "port": port}


def sendable(host: str, *, over_six: bool) -> str:
    """An IP address as our socket for datagrams takes it."""
    return f"::ffff:{host}" if over_six and ":" not in host else host
