"""Devices reached over the node that holds their connection: a stateless proxy between nodes and devices (RFC 3261 §16.11).

The node that runs the call sends its requests to the holding node, over TCP, with a Route that names the device's connection
under our seal: a flow token (RFC 5626 §5.2). The holding node records two routes, one for each side, since they speak over
different transports (RFC 5658 §3). So everything in the dialog takes the same way, and nothing is kept here: what an answer
needs stands in the branch of our Via, under a seal too, so that nobody can have us send to where he likes.
"""

import base64
import hashlib
import hmac
from collections.abc import Callable
from functools import partial
from typing import TypeVar

import msgspec
from sipmessage import Request

from sautikitd.voice.sip.address import MalformedAddress, NameAddr, SipUri, sip_uri, unbracketed
from sautikitd.voice.sip.client_transaction import Outlet
from sautikitd.voice.sip.connections import Address
from sautikitd.voice.sip.hops import Flow, Hop, Transport
from sautikitd.voice.sip.transactions import reply
from sautikitd.voice.sip.wire import (
    MAGIC_COOKIE,
    Arrival,
    MalformedMessage,
    read_via,
    stamp_via,
    write_message,
    write_via,
)

T = TypeVar("T", bound=msgspec.Struct)

_MARK = "flow."
_SEAL = 12  # bytes of HMAC-SHA256: nobody gets many tries at one
_FLOW_FAILED = 430  # RFC 5626 §5.3.1


class FlowWay(msgspec.Struct, frozen=True, array_like=True):
    """What a flow token says: a device's connection, and the node that calls it. `to_device`: which of both is meant."""

    to_device: bool
    transport: Transport
    device: Address
    home: Address


class _WayBack(msgspec.Struct, frozen=True, array_like=True):
    """Where the answers to a request go: to the device's own connection (`fixed`), or to a node."""

    transport: Transport
    peer: Address
    fixed: bool
    request: str  # what tells its transaction apart


class FlowTokens:
    """Made and read with a key that all nodes have."""

    def __init__(self, key: bytes) -> None:
        self._key = key

    def seal(self, plain: msgspec.Struct) -> str:
        data = msgspec.json.encode(plain)
        return base64.urlsafe_b64encode(self._mac(data) + data).decode().rstrip("=")

    def open(self, token: str, kind: type[T]) -> T | None:
        """None for what was not sealed by one of us."""
        try:
            data = base64.urlsafe_b64decode(token + "=" * (-len(token) % 4))
            if hmac.compare_digest(data[:_SEAL], self._mac(data[_SEAL:])):
                return msgspec.json.decode(data[_SEAL:], type=kind)
        except (ValueError, msgspec.DecodeError):
            pass
        return None

    def _mac(self, data: bytes) -> bytes:
        return hmac.digest(self._key, data, "sha256")[:_SEAL]


class FlowRelay:
    """`sent_by` tells our own address on a transport, as a device at some address knows it; `inside` is where other nodes
    reach us over TCP."""

    def __init__(
        self,
        key: bytes,
        outlet: Outlet,
        sent_by: Callable[[Transport, str], Address],
        inside: Callable[[], Address],
    ) -> None:
        self._tokens = FlowTokens(key)
        self._outlet = outlet
        self._sent_by = sent_by
        self._inside = inside

    def route_over(self, holder: Address, device: Hop) -> str:
        """The Route that leads to a device whose connection another node holds; answers come to us."""
        way = FlowWay(True, device.transport, (device.host, device.port), self._inside())
        return _route(self._tokens.seal(way), holder, Transport.TCP)

    def takes(self, message: Arrival) -> bool:
        """Passes a message on, if it is one of those; False for one that is meant for us."""
        if not isinstance(message.message, Request):
            return self._take_response(message)
        routes = message.listed("Route")
        way = self._way_of(routes[0]) if routes else None
        if way is None:
            return False
        if (
            way.to_device or message.to.tag is not None
        ):  # a device reaches calls that are up, and nothing else
            self._pass_on(message, way, routes)
        return True

    def _pass_on(self, arrived: Arrival, way: FlowWay, routes: list[str]) -> None:
        request, source = arrived.request, arrived.source
        hops_left = arrived.header("Max-Forwards") or "70"
        if not hops_left.isdecimal() or int(hops_left[:4]) < 1:
            return
        stamp_via(request, arrived.via, source)
        if way.to_device:
            back = _WayBack(Transport.TCP, way.home, False, _transaction_of(arrived))
            us = self._sent_by(way.transport, way.device[0])
            hop = Hop(host=way.device[0], port=way.device[1], transport=way.transport, fixed=True)
        else:
            back = _WayBack(source.transport, (source.host, source.port), True, _transaction_of(arrived))
            us = self._inside()
            hop = Hop(host=way.home[0], port=way.home[1], transport=Transport.TCP)
        failed = partial(self._say_failed, arrived, back, source.flow)
        ours = [value for value in routes if self._way_of(value) is not None]
        request.headers.remove("Route")
        if further := routes[len(ours) :]:
            request.headers.setlist("Route", further)
        request.headers.set("Max-Forwards", str(int(hops_left[:4]) - 1))
        if request.method == "INVITE" and arrived.to.tag is None:
            self._record(request, way)
        branch = f"{MAGIC_COOKIE}{_MARK}{self._tokens.seal(back)}"
        via = write_via(hop.transport, *us, branch)
        request.headers.setlist("Via", [via, *request.headers.getlist("Via")])
        self._outlet.send(write_message(request), hop, failed)

    def _record(self, request: Request, way: FlowWay) -> None:
        """Both routes, the device's on top, which it will use first and a node last."""
        facing_home = _route(self._tokens.seal(way), self._inside(), Transport.TCP)
        back = msgspec.structs.replace(way, to_device=False)
        facing_device = _route(
            self._tokens.seal(back), self._sent_by(way.transport, way.device[0]), way.transport
        )
        request.headers.setlist(
            "Record-Route", [facing_device, facing_home, *request.headers.getlist("Record-Route")]
        )

    def _say_failed(self, arrived: Arrival, back: _WayBack, flow: Flow | None, _: OSError) -> None:
        """The device has gone: whoever calls it need not wait for an answer."""
        if arrived.request.method == "ACK":
            return
        arrived.request.headers.setlist("Via", arrived.request.headers.getlist("Via")[1:])  # all but ours
        response = reply(arrived, _FLOW_FAILED, "Flow Failed", to_tag="gone")
        self._outlet.send(write_message(response), _hop_of(back), lambda _: None, flow)

    def _take_response(self, response: Arrival) -> bool:
        branch = response.via.branch
        if not branch.startswith(MAGIC_COOKIE + _MARK):
            return False
        back = self._tokens.open(branch.removeprefix(MAGIC_COOKIE + _MARK), _WayBack)
        vias = response.message.headers.getlist("Via")[1:]
        if back is not None and vias and _request_of(vias[0]) == back.request:
            response.message.headers.setlist("Via", vias)
            self._outlet.send(write_message(response.message), _hop_of(back), lambda _: None)
        return True

    def _way_of(self, route: str) -> FlowWay | None:
        try:
            uri = SipUri.parse(NameAddr.parse(route).uri)
        except MalformedAddress:
            return None
        ours = {self._inside()[0], *(self._sent_by(Transport.TCP, far)[0] for far in ("", "0.0.0.0", "::"))}
        if not uri.user or unbracketed(uri.host) not in ours:
            return None
        return self._tokens.open(uri.user, FlowWay)


def _route(token: str, at: Address, transport: Transport) -> str:
    return f"<{sip_uri(token, *at, transport.in_uri)};lr>"


def _hop_of(back: _WayBack) -> Hop:
    return Hop(host=back.peer[0], port=back.peer[1], transport=back.transport, fixed=back.fixed)


def _transaction_of(request: Arrival) -> str:
    return _digest(request.via.branch)


def _request_of(via: str) -> str:
    try:
        return _digest(read_via(via).branch)
    except MalformedMessage:
        return ""


def _digest(branch: str) -> str:
    return hashlib.sha256(branch.encode()).hexdigest()[:16]
