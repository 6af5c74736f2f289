"""Three network namespaces in a row: a home, its router, and the Internet. The router translates addresses as Linux does."""

import ctypes
import os
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

HOME, ROUTER_INSIDE, ROUTER_OUTSIDE, INTERNET = "10.78.1.2", "10.78.1.1", "10.78.2.1", "10.78.2.2"
_CLONE_NEWNET = 0x40000000
_libc = ctypes.CDLL(None, use_errno=True)


class NoNat(Exception):
    """This machine does not let us make namespaces or translate addresses; the message says what it refused."""


class NatNetwork:
    """`home` reaches the Internet through the router, and is seen there as `ROUTER_OUTSIDE`."""

    def __init__(self) -> None:
        """Raises `NoNat`."""
        self.home, self._router, self.internet = (
            f"sk{os.getpid()}-{name}" for name in ("home", "nat", "net")
        )
        try:
            self._make()
        except (OSError, subprocess.CalledProcessError) as error:
            self.close()
            told = getattr(error, "stderr", b"") or str(error).encode()
            raise NoNat(told.decode().strip()) from error

    def _make(self) -> None:
        for name in (self.home, self._router, self.internet):
            _run("ip", "netns", "add", name)
            self._within(name, "ip link set lo up")
        for inside, outside, far, near in (
            (self.home, "in0", HOME, ROUTER_INSIDE),
            (self.internet, "out0", INTERNET, ROUTER_OUTSIDE),
        ):
            _run(*f"ip -n {self._router} link add {outside} type veth peer name eth0 netns {inside}".split())
            self._within(inside, f"ip addr add {far}/24 dev eth0", "ip link set eth0 up")
            self._within(self._router, f"ip addr add {near}/24 dev {outside}", f"ip link set {outside} up")
        self._within(self.home, f"ip route add default via {ROUTER_INSIDE}")
        self._within(
            self._router,
            "sysctl -qw net.ipv4.ip_forward=1",
            "iptables -P FORWARD DROP",
            "iptables -A FORWARD -i in0 -j ACCEPT",
            "iptables -A FORWARD -i out0 -m state --state ESTABLISHED -j ACCEPT",
            "iptables -t nat -A POSTROUTING -o out0 -p udp -j MASQUERADE --to-ports 40000-49999",
            "iptables -t nat -A POSTROUTING -o out0 -j MASQUERADE",
        )

    def forget_after(self, seconds: int) -> None:
        """How long the router keeps a translation that nothing went over."""
        names = ("nf_conntrack_udp_timeout", "nf_conntrack_udp_timeout_stream")
        self._within(self._router, *(f"sysctl -qw net.netfilter.{name}={seconds}" for name in names))

    def forward(self, ports: str, protocol: str = "udp") -> None:
        """Lets the Internet in on these ports, "5060" or "20000:20100", with the same numbers inside. Nobody at home
        reaches his own kind by way of them: the router does no hairpins."""
        self._within(
            self._router,
            f"iptables -t nat -A PREROUTING -i out0 -p {protocol} --dport {ports} -j DNAT --to-destination {HOME}",
            f"iptables -A FORWARD -i out0 -p {protocol} --dport {ports} -j ACCEPT",
        )

    @contextmanager
    def entered(self, name: str) -> Iterator[None]:
        """Sockets made and processes started meanwhile, in this thread, are in that namespace."""
        back = os.open("/proc/thread-self/ns/net", os.O_RDONLY)
        there = os.open(f"/var/run/netns/{name}", os.O_RDONLY)
        _libc.setns(there, _CLONE_NEWNET)
        try:
            yield
        finally:
            _libc.setns(back, _CLONE_NEWNET)
            os.close(back)
            os.close(there)

    def close(self) -> None:
        for name in (self.home, self._router, self.internet):
            if Path(f"/var/run/netns/{name}").exists():
                _run("ip", "netns", "del", name)

    def _within(self, name: str, *commands: str) -> None:
        for command in commands:
            _run("ip", "netns", "exec", name, *command.split())


def _run(*words: str) -> None:
    subprocess.run(words, check=True, capture_output=True)
