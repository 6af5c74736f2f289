"""Transports, transactions and dialogs put together: what the user agent and its calls stand on."""

import asyncio
import secrets
import time
from collections.abc import Callable, Coroutine, Sequence
from dataclasses import dataclass
from typing import Protocol

import msgspec
import structlog
from sipmessage import Request

from sautikitd.voice.sip.address import family_of, is_private, sip_uri
from sautikitd.voice.sip.authorization import Authorizer
from sautikitd.voice.sip.client_transaction import Failure
from sautikitd.voice.sip.connections import IDLE_SECONDS, Address
from sautikitd.voice.sip.dialog import DialogKey, DialogState, address_request, hop_of
from sautikitd.voice.sip.headers import new_request
from sautikitd.voice.sip.hops import Flow, Hop, Source, Transport
from sautikitd.voice.sip.phrases import phrase
from sautikitd.voice.sip.relay import FlowRelay
from sautikitd.voice.sip.server_transaction import ServerTransaction
from sautikitd.voice.sip.srv import SrvLookup, look_up_srv
from sautikitd.voice.sip.targets import Targets
from sautikitd.voice.sip.timers import Scheduler, Timers
from sautikitd.voice.sip.tls import DEFAULT_PORT, TlsOptions
from sautikitd.voice.sip.transactions import TransactionLayer, new_branch, reply
from sautikitd.voice.sip.transport import TransportLayer
from sautikitd.voice.sip.websocket import WebSocketOptions
from sautikitd.voice.sip.wire import Arrival, write_via

log = structlog.get_logger(__name__)

ALLOWED = ("INVITE", "ACK", "CANCEL", "BYE", "OPTIONS", "INFO", "UPDATE", "PRACK", "REFER")
KNOWN = frozenset((*ALLOWED, "REGISTER", "SUBSCRIBE", "NOTIFY", "MESSAGE", "PUBLISH"))
EXTENSIONS = ("100rel", "timer")  # option tags we know (RFC 3262, RFC 4028)
SESSION_SECONDS = 1800  # RFC 4028 §4 recommends it
SUPPORTED = ", ".join(EXTENSIONS)


class DialogOwner(Protocol):
    """Whoever runs a dialog and gets its requests."""

    def on_request(self, transaction: ServerTransaction) -> None: ...

    def on_ack(self, ack: Arrival) -> None: ...

    def abandon(self) -> None:
        """The stack stops: end the call without a message."""
        ...


@dataclass(frozen=True, slots=True)
class Outcome:
    """How a request ended. Without `response` the code is ours: 408 nobody answered, 503 it could not be sent."""

    code: int
    reason: str
    response: Arrival | None = None
    cseq: int = 0  # of the request as it was sent last

    @property
    def ok(self) -> bool:
        return 200 <= self.code < 300


class _Waiter:
    """Waits for the final response of one transaction; repeated 2xx go to `on_2xx`."""

    def __init__(self, cseq: int, on_2xx: Callable[[Arrival], None] | None) -> None:
        self._cseq = cseq
        self.outcome: asyncio.Future[Outcome] = asyncio.get_running_loop().create_future()
        self._on_2xx = on_2xx

    def on_response(self, response: Arrival) -> None:
        code = response.response.code
        if 200 <= code < 300 and self._on_2xx is not None:
            self._on_2xx(response)
        if code >= 200 and not self.outcome.done():
            self.outcome.set_result(Outcome(code, response.response.phrase, response, self._cseq))

    def on_failure(self, failure: Failure) -> None:
        if not self.outcome.done():
            self.outcome.set_result(Outcome(failure.code, phrase(failure.code), None, self._cseq))


class SipStack:
    def __init__(
        self,
        *,
        timers: Timers,
        scheduler: Scheduler | None,
        name: str,
        idle_seconds: float = IDLE_SECONDS,
        session_seconds: int = SESSION_SECONDS,
        flow_key: bytes | None = None,
        srv_lookup: SrvLookup = look_up_srv,
    ) -> None:
        self.timers = timers
        self.scheduler: Scheduler = scheduler or asyncio.get_running_loop()
        self.name = name
        self.session_seconds = session_seconds
        self.transport = TransportLayer(self._receive, idle_seconds=idle_seconds)
        self.transport.on_connection_lost = self._connection_lost
        self.on_connection_lost: Callable[[Hop], None] = lambda _: None
        self.transactions = TransactionLayer(self, self.transport, self.scheduler, timers)
        self.dialogs: dict[DialogKey, DialogOwner] = {}
        self.advertised: Address = ("", 0)
        self.inside: Address = ("", 0)
        self._hosts: dict[int | None, str] = {}  # those advertised, by their family
        self.relay = (
            None
            if flow_key is None
            else FlowRelay(flow_key, self.transport, self.sent_by, self._reached_inside)
        )
        self.targets = Targets(self.now, srv_lookup)
        self._tls_port = DEFAULT_PORT
        self.on_new_request: Callable[[ServerTransaction], None] = _refuse
        self.screen: Callable[[Arrival], bool] = lambda _: True
        self._tasks: set[asyncio.Task[object]] = set()

    async def start(
        self,
        bind: Address,
        advertised: tuple[str, int | None] | None,
        tls: TlsOptions | None,
        websockets: Sequence[WebSocketOptions] = (),
        inside: str | None = None,
        beside: Sequence[str] = (),
    ) -> None:
        await self.transport.start(bind, tls, websockets)
        host, port = advertised or (self.transport.bound[0], None)
        if host in ("0.0.0.0", "::", ""):
            await self.transport.stop()
            raise ValueError("bound to every address: say which one to advertise")
        self.advertised = (host, port or self.transport.bound[1])
        if (family := family_of(host)) is not None:  # a name may have addresses of both
            self._hosts = {family_of(one): one for one in beside} | {family: host}
        self.inside = (inside, self.transport.bound[1]) if inside else self.advertised
        if tls is not None:
            self._tls_port = tls.advertised_port or self.transport.bound_tls or tls.port or DEFAULT_PORT

    async def stop(self) -> None:
        for task in list(self._tasks):
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        self.transactions.terminate_all()
        for owner in list(self.dialogs.values()):
            owner.abandon()
        await self.transport.stop()

    def now(self) -> float:
        """Seconds, monotonic, to measure round trips with."""
        return time.monotonic()

    def spawn(self, work: Coroutine[None, None, object]) -> None:
        task = asyncio.get_running_loop().create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._finished)

    def _finished(self, task: asyncio.Task[object]) -> None:
        self._tasks.discard(task)
        if not task.cancelled() and (error := task.exception()) is not None:
            log.error("sip.task_failed", exc_info=error)

    def _connection_lost(self, hop: Hop) -> None:
        self.transactions.connection_lost(hop)
        self.on_connection_lost(hop)

    def _receive(self, data: bytes, source: Source) -> None:
        self.transactions.receive(data, source)

    # What the transaction layer asks for.

    def relays(self, message: Arrival) -> bool:
        return self.relay is not None and self.relay.takes(message)

    def admits(self, request: Arrival) -> bool:
        return self._owner(request) is not None or self.screen(request)

    def on_request(self, transaction: ServerTransaction) -> None:
        request = transaction.arrival
        if request.to.tag is None:
            self.on_new_request(transaction)
        elif owner := self._owner(request):
            owner.on_request(transaction)
        else:
            transaction.respond(reply(request, 481))

    def on_ack(self, ack: Arrival) -> None:
        if owner := self._owner(ack):
            owner.on_ack(ack)

    def on_stray_response(self, response: Arrival) -> None:
        log.debug("sip.stray_response", code=response.response.code, call_id=response.call_id)

    def _owner(self, request: Arrival) -> DialogOwner | None:
        return self.dialogs.get((request.call_id, request.to.tag or "", request.from_.tag or ""))

    # Requests.

    def sent_by(self, transport: Transport, far: str = "") -> Address:
        """Our host and port as far ends on a transport see them; of the family of `far`, where we have one of that."""
        host = self._hosts.get(family_of(far), self.advertised[0])
        return host, self._tls_port if transport is Transport.TLS else self.advertised[1]

    def sent_by_family(self, transport: Transport) -> dict[int, Address]:
        """The same for far ends of each family of which an address of ours is advertised."""
        return {family: self.sent_by(transport, host) for family, host in self._hosts.items() if family}

    def _reached_inside(self) -> Address:
        return self.inside

    def contact(self, user: str, transport: Transport, far: str) -> str:
        """Our Contact value on a transport, for somebody at the address `far`; UDP goes without saying."""
        named = None if transport is Transport.UDP else transport.in_uri
        return f"<{sip_uri(user, *self.sent_by(transport, far), named)}>"

    def dress(self, request: Request, hop: Hop, branch: str) -> None:
        """Puts on a request what every one of ours carries, the Via of its next hop first of all."""
        request.headers.set("Via", write_via(hop.transport, *self.sent_by(hop.transport, hop.host), branch))
        request.headers.set("Max-Forwards", "70")
        request.headers.set("User-Agent", self.name)

    def in_dialog(self, state: DialogState, method: str) -> Request:
        """A request of a dialog; `state.local_cseq` is its CSeq."""
        request = address_request(state, method)
        request.headers.set("From", f"{state.local};tag={state.local_tag}")
        remote_tag = f";tag={state.remote_tag}" if state.remote_tag else ""
        request.headers.set("To", f"{state.remote}{remote_tag}")
        request.headers.set("Call-ID", state.call_id)
        request.headers.set("CSeq", f"{state.local_cseq} {method}")
        self.dress(request, state.hop, new_branch())
        return request

    async def exchange(
        self,
        request: Request,
        hop: Hop,
        authorizer: Authorizer | None = None,
        flow: Flow | None = None,
        on_2xx: Callable[[Arrival], None] | None = None,
    ) -> Outcome:
        """Sends a request, answers challenges to it, and gives the final outcome.

        Each answer to a challenge takes the next CSeq; the outcome tells the last one.
        """
        while True:
            waiter = _Waiter(cseq_of(request), on_2xx)
            self.transactions.request(request, hop, waiter, flow)
            outcome = await waiter.outcome
            if outcome.code not in (401, 407) or authorizer is None or outcome.response is None:
                return outcome
            if not authorizer.learn(outcome.response):
                return outcome
            request = renewed(request)
            self.dress(request, hop, new_branch())
            authorizer.apply(request)

    async def resolve(self, hop: Hop) -> Hop:
        """The hop with an IP address of the family that we are bound to. Raises `OSError` when the name has none."""
        return (await self.resolve_all(hop))[0]

    async def resolve_all(self, hop: Hop) -> list[Hop]:
        """All that it leads to, the one to try first in front. Raises `OSError`."""
        return await self.targets.of(hop, six=":" in self.transport.bound[0])

    async def locate(self, state: DialogState) -> DialogState:
        """The state with the address of its next hop.

        The one it has, where the far end really is, stays if the name leads nowhere, or to a private
        address while he comes from a public one: a Contact written behind a NAT.
        """
        if state.hop.fixed:  # a device is where it was heard from
            return state
        try:
            hop = await self.resolve(hop_of(state.next_uri, state.hop))
        except OSError as error:
            log.warning("sip.unresolved_contact", uri=state.next_uri, error=str(error))
            return state
        if not state.routes and is_private(hop.host) and not is_private(state.hop.host):
            return state
        return msgspec.structs.replace(state, hop=hop)


def renewed(request: Request) -> Request:
    """A copy to send again with the next CSeq, which a changed request needs."""
    copy = new_request(request.method, request.uri, request.body)
    for name in request.headers.keys():  # noqa: SIM118 - Headers is no mapping
        copy.headers.setlist(name, list(request.headers.getlist(name)))
    copy.headers.set("CSeq", f"{cseq_of(request) + 1} {request.method}")
    return copy


def cseq_of(request: Request) -> int:
    return int(request.headers["CSeq"].split()[0])


def unknown_extensions(request: Arrival) -> list[str]:
    """What a request wants to be understood and is not: the option tags for `Unsupported` (RFC 3261 §8.2.2.3)."""
    return [tag for tag in request.listed("Require") if tag.lower() not in EXTENSIONS]


def new_tag() -> str:
    return secrets.token_hex(8)


def _refuse(transaction: ServerTransaction) -> None:
    transaction.respond(reply(transaction.arrival, 480, to_tag=new_tag()))
