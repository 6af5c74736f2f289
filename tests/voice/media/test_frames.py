"""Frames on the control socket: however the bytes come, each message once and whole."""

import asyncio
import random
import socket

import pytest

from sautikitd.voice.media.frames import FrameSocket
from sautikitd.voice.media.protocol import LARGEST_MESSAGE, LENGTH


def framed(body: bytes) -> bytes:
    return LENGTH.pack(len(body)) + body


@pytest.mark.parametrize("longest", [1, 3, 7, 100_000])
async def test_messages_come_whole_however_the_stream_is_cut(longest: int) -> None:
    chance = random.Random(longest)
    bodies = [chance.randbytes(chance.choice([0, 1, 5, 300])) for _ in range(40)]
    taken: list[bytes] = []
    wire = FrameSocket(taken.append, lambda: None)
    stream = b"".join(map(framed, bodies))
    while stream:
        cut = chance.randint(1, longest)
        wire.data_received(stream[:cut])
        stream = stream[cut:]
    assert taken == bodies


async def test_a_message_that_is_too_large_is_not_waited_for() -> None:
    wire = FrameSocket(lambda _: None, lambda: None)
    with pytest.raises(ValueError, match="larger than"):
        wire.data_received(LENGTH.pack(LARGEST_MESSAGE + 1))


async def test_what_is_sent_goes_out_in_its_order_also_where_the_socket_is_closed_at_once() -> None:
    ours, theirs = socket.socketpair()
    ends: list[bool] = []
    with theirs:
        theirs.setblocking(False)
        loop = asyncio.get_running_loop()
        wire = FrameSocket(lambda _: None, lambda: ends.append(True))
        await loop.create_connection(lambda: wire, sock=ours)
        for number in range(3):
            wire.send(framed(bytes([number])))
        wire.close()
        received = b""
        while chunk := await loop.sock_recv(theirs, 100):
            received += chunk
        await wire.ended
    assert received == b"".join(framed(bytes([number])) for number in range(3))
    assert ends == [True]
