"""Both wires, io_uring's and the plain one, move the same datagrams of many sockets."""

import contextlib
import socket
from collections.abc import Callable, Iterator

import numpy as np
import pytest
from numpy.typing import NDArray

from sautikitd.voice.media.rtp.stamps import SO_TIMESTAMPNS
from sautikitd.voice.media.wire.readiness import Readiness
from sautikitd.voice.media.wire.ring import NoRing, Ring
from sautikitd.voice.media.wire.ring_wire import RingWire
from sautikitd.voice.media.wire.sockets import SocketWire, Wire

LEGS = 40
Made = tuple[Wire, list[socket.socket], NDArray[np.uint8]]


@pytest.fixture(params=[RingWire, SocketWire])
def made(request: pytest.FixtureRequest) -> Iterator[Made]:
    kind: Callable[[NDArray[np.uint8]], Wire] = request.param
    leaving = np.zeros((LEGS, 172), np.uint8)
    try:
        wire = kind(leaving)
    except NoRing as reason:
        pytest.skip(f"no io_uring here: {reason}")
    with contextlib.ExitStack() as held:
        sockets = [held.enter_context(bound(socket.AF_INET, "127.0.0.1")) for _ in range(LEGS)]
        for row, one in enumerate(sockets):
            wire.add(row, one)
        yield wire, sockets, leaving
        wire.close()


def bound(family: socket.AddressFamily, host: str) -> socket.socket:
    one = socket.socket(family, socket.SOCK_DGRAM)
    one.setblocking(False)
    one.setsockopt(socket.SOL_SOCKET, SO_TIMESTAMPNS, 1)
    one.bind((host, 0))
    return one


def test_a_batch_goes_out_and_comes_in_whole(made: Made) -> None:
    wire, sockets, leaving = made
    leaving[:] = np.random.default_rng(1).integers(0, 256, leaving.shape)
    for row, one in enumerate(sockets):  # in a circle
        wire.aim(row, sockets[row - 1].getsockname(), sockets[(row + 1) % LEGS].getsockname())
        assert one.getsockname() != sockets[row - 1].getsockname()
    wire.send(np.arange(LEGS))
    rows, sizes, arrivals, known = wire.take(np.arange(LEGS))
    assert sorted(rows.tolist()) == list(range(LEGS))
    assert (sizes == 172).all()
    assert known.all()
    assert np.ptp(arrivals) < 5
    for row in range(LEGS):
        assert (wire.arrived[row, :172] == leaving[row - 1]).all()


def test_those_that_have_nothing_are_left_out(made: Made) -> None:
    wire, sockets, _ = made
    sockets[0].sendto(b"hello", sockets[7].getsockname())
    rows, sizes, _, known = wire.take(np.array([3, 7, 9]))
    assert (rows.tolist(), sizes.tolist(), known.tolist()) == ([7], [5], [False])
    assert wire.sender(7) == sockets[0].getsockname()
    assert wire.take(np.array([7]))[0].size == 0


def test_what_cannot_be_sent_keeps_nobody_else_waiting(made: Made) -> None:
    wire, sockets, _ = made
    wire.aim(0, None, ("127.0.0.1", 0))
    wire.aim(1, None, sockets[2].getsockname())
    wire.send(np.array([0, 1]))
    assert wire.take(np.array([2]))[0].tolist() == [2]


def test_version_six_addresses_are_understood(made: Made) -> None:
    wire, _, leaving = made
    try:
        one, other = bound(socket.AF_INET6, "::1"), bound(socket.AF_INET6, "::1")
    except OSError as reason:
        pytest.skip(f"no IPv6 on loopback here: {reason}")
    with one, other:
        wire.add(0, one)
        wire.add(1, other)
        wire.aim(0, None, ("::1", other.getsockname()[1]))  # as an SDP tells it
        wire.aim(1, one.getsockname(), None)
        leaving[0] = 9
        wire.send(np.array([0]))
        rows, _, _, known = wire.take(np.array([1]))
        assert (rows.tolist(), known.tolist(), wire.sender(1)) == ([1], [True], one.getsockname())


def test_batches_go_on_when_the_ring_has_gone_round(made: Made) -> None:
    wire, sockets, leaving = made
    for row in range(LEGS):
        wire.aim(row, None, sockets[row].getsockname())
    for turn in range(20):
        leaving[:, 0] = turn
        wire.send(np.arange(LEGS))
        rows, _, _, _ = wire.take(np.arange(LEGS))
        assert len(rows) == LEGS
        assert (wire.arrived[:LEGS, 0] == turn).all()


def test_a_ring_that_would_be_too_large_is_refused() -> None:
    with pytest.raises(NoRing):
        Ring(1 << 20)


def test_readiness_tells_the_numbers_of_those_that_have_something() -> None:
    readiness = Readiness(10)
    with bound(socket.AF_INET, "127.0.0.1") as one, bound(socket.AF_INET, "127.0.0.1") as other:
        readiness.add(one.fileno(), 5)
        readiness.add(other.fileno(), 8)
        assert readiness.ready().size == 0
        one.sendto(b"x", other.getsockname())
        assert readiness.ready().tolist() == [8]
        readiness.remove(other.fileno())
        assert readiness.ready().size == 0
    readiness.close()
