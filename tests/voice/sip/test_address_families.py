"""A name with addresses of both families is reached by the family that we are bound to."""

import asyncio
import socket
from typing import Any

import pytest

from sautikitd.voice.sip.hops import Hop
from sautikitd.voice.sip.user_agent import UserAgent
from voice.sip.far_end import user_agent

_BOTH = {socket.AF_INET: "127.0.0.1", socket.AF_INET6: "::1"}


def _has_ipv6() -> bool:
    try:
        with socket.socket(socket.AF_INET6, socket.SOCK_DGRAM) as probe:
            probe.bind(("::1", 0))
    except OSError:
        return False
    return True


async def _ping(near: UserAgent, far: UserAgent, monkeypatch: pytest.MonkeyPatch) -> bool:
    """Whether `near` reaches `far` by a name that has an address of each family, the sixth's first."""

    async def getaddrinfo(_host: str, port: int, *, family: int = 0, **_rest: Any) -> Any:
        addresses = [_BOTH[socket.AF_INET6], _BOTH[socket.AF_INET]] if family == 0 else [_BOTH[family]]  # type: ignore[index]
        return [(0, 0, 0, "", (address, port)) for address in addresses]

    monkeypatch.setattr(asyncio.get_running_loop(), "getaddrinfo", getaddrinfo)
    return await near.ping(Hop(host="both.example", port=far.bound[1])) is not None


async def test_bound_to_the_fourth_family_it_takes_the_address_of_that(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    async with user_agent() as near, user_agent() as far:
        assert await _ping(near, far, monkeypatch)


@pytest.mark.skipif(not _has_ipv6(), reason="this machine has no IPv6 on its loopback")
async def test_and_bound_to_the_sixth_the_other(monkeypatch: pytest.MonkeyPatch) -> None:
    async with user_agent(host="::1") as near, user_agent(host="::1") as far:
        assert await _ping(near, far, monkeypatch)
