"""The user agent: what the voice engine speaks SIP with."""

import asyncio
import contextlib
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass

from sautikitd.voice.sip.address import NameAddr, sip_uri
from sautikitd.voice.sip.admission import Admit, Authenticator, Demand, Ignore, Refuse
from sautikitd.voice.sip.authorization import Authorizer
from sautikitd.voice.sip.call_dialog import OfferHandler
from sautikitd.voice.sip.causes import Reason
from sautikitd.voice.sip.connections import IDLE_SECONDS, Address
from sautikitd.voice.sip.detached import bye_detached, cancel_detached
from sautikitd.voice.sip.dialog import DialogState, blank_request, contact_uri
from sautikitd.voice.sip.digest import Credentials
from sautikitd.voice.sip.hops import Hop, Transport
from sautikitd.voice.sip.inbound import InboundCall
from sautikitd.voice.sip.invites import InviteState, PreparedInvite, prepare
from sautikitd.voice.sip.outbound import OutboundCall
from sautikitd.voice.sip.phrases import phrase
from sautikitd.voice.sip.server_transaction import ServerTransaction
from sautikitd.voice.sip.session_timer import MIN_SE, too_small
from sautikitd.voice.sip.srv import SrvLookup, look_up_srv
from sautikitd.voice.sip.stack import (
    ALLOWED,
    KNOWN,
    SESSION_SECONDS,
    SUPPORTED,
    Outcome,
    SipStack,
    new_tag,
    unknown_extensions,
)
from sautikitd.voice.sip.timers import Scheduler, Timers
from sautikitd.voice.sip.tls import TlsOptions
from sautikitd.voice.sip.transactions import new_branch, reply
from sautikitd.voice.sip.websocket import WebSocketOptions
from sautikitd.voice.sip.wire import Arrival

OnInvite = Callable[[InboundCall], Awaitable[None]]
RequestHandler = Callable[[ServerTransaction, str | None], None]
"""Answers a request outside dialogs, given its transaction and the identity it was admitted as."""


@dataclass(frozen=True, slots=True)
class Gauges:
    """What is open now; all return to zero when nothing goes on."""

    transactions: int
    dialogs: int
    connections: int


@dataclass(frozen=True, slots=True)
class Pong:
    """The answer to an OPTIONS ping; any code means that the far end is alive."""

    code: int
    seconds: float


class UserAgent:
    """One address, many calls, both ways. Make it inside a running loop, then `start`.

    on_invite: gets each inbound call as a task of its own; an exception in it rejects the call with 500.
    authenticator: asked about INVITE, and about the methods of `handlers`; None admits everybody.
    screen: whether requests that belong to no dialog are looked at; what it refuses gets no answer.
    session_seconds: the session interval our INVITEs ask for (RFC 4028); 0 asks for none.
    handlers: answers to further methods outside dialogs (REGISTER for a registrar).
    on_connection_lost: told of the far address of each connection that is gone.
    flow_key: a secret of all our nodes, with which devices are called over the node that holds their connection.
    """

    def __init__(
        self,
        *,
        on_invite: OnInvite | None = None,
        authenticator: Authenticator | None = None,
        screen: Callable[[Arrival], bool] | None = None,
        handlers: Mapping[str, RequestHandler] | None = None,
        timers: Timers | None = None,
        scheduler: Scheduler | None = None,
        name: str = "Sautikit",
        idle_seconds: float = IDLE_SECONDS,
        session_seconds: int = SESSION_SECONDS,
        on_connection_lost: Callable[[Hop], None] | None = None,
        flow_key: bytes | None = None,
        srv_lookup: SrvLookup = look_up_srv,
    ) -> None:
        self._on_invite = on_invite
        self._authenticator = authenticator
        self._handlers = handlers or {}
        self._stack = SipStack(
            timers=timers or Timers(),
            scheduler=scheduler,
            name=name,
            idle_seconds=idle_seconds,
            session_seconds=session_seconds,
            flow_key=flow_key,
            srv_lookup=srv_lookup,
        )
        self._stack.on_new_request = self._on_new_request
        if screen is not None:
            self._stack.screen = screen
        if on_connection_lost is not None:
            self._stack.on_connection_lost = on_connection_lost

    async def start(
        self,
        bind: Address,
        advertised: tuple[str, int | None] | None = None,
        *,
        tls: TlsOptions | None = None,
        websockets: Sequence[WebSocketOptions] = (),
        inside: str | None = None,
        beside: Sequence[str] = (),
    ) -> None:
        """Listens on UDP and TCP at `bind`; port 0 takes one that is free for both. With `tls` also on TLS, at
        the port that it names, and for each of `websockets` where that says.

        `advertised` stands in Via and Contact when the far ends see another address; its port None is the
        bound one. `inside` is the address at which other nodes reach us, where that is not the advertised one;
        `beside` are advertised to far ends of other families than that of `advertised`.
        Raises `OSError` if the port is taken, `ValueError` if nothing can be advertised.
        """
        await self._stack.start(bind, advertised, tls, websockets, inside, beside)

    async def stop(self) -> None:
        """Drops everything without a word: hang up first. The port is free when this returns."""
        await self._stack.stop()

    def trust(self, authorities: dict[str, str]) -> None:
        """Who may vouch for far ends over TLS beside those of `tls`: PEM by the name that stands in `Hop.trust`.

        Replaces what was told before. Raises `ssl.SSLError` for what is no certificate.
        """
        self._stack.transport.trust(authorities)

    def renew_certificate(self) -> bool:
        """Shows our certificate, over TLS and WebSockets, as its files are now, if they were written anew; whether they
        were. Raises `OSError` for what does not fit together: the old one stays."""
        return self._stack.transport.renew_certificate()

    @property
    def bound(self) -> Address:
        return self._stack.transport.bound

    @property
    def advertised(self) -> Address:
        """Our host and port as far ends see them, over UDP and TCP."""
        return self._stack.advertised

    @property
    def inside(self) -> Address:
        """Where other nodes of ours reach us, over TCP."""
        return self._stack.inside

    @property
    def bound_tls(self) -> int | None:
        """The port that TLS listens on; None when it does not."""
        return self._stack.transport.bound_tls

    def bound_websocket(self, transport: Transport) -> int | None:
        """The port that WebSockets come to, plain (`WS`) or over TLS (`WSS`); None where there is none."""
        return self._stack.transport.bound_websocket(transport)

    @property
    def gauges(self) -> Gauges:
        stack = self._stack
        return Gauges(len(stack.transactions), len(stack.dialogs), stack.transport.connections)

    @property
    def malformed(self) -> int:
        """How many messages could not be read, since the start."""
        return self._stack.transactions.malformed

    # Calls out.

    def prepare_invite(
        self,
        *,
        target: str,
        hop: Hop,
        local: NameAddr,
        remote: NameAddr | None = None,
        asserted_identity: str | None = None,
        headers: Sequence[tuple[str, str]] = (),
        holder: Address | None = None,
    ) -> PreparedInvite:
        """Chooses all identifiers of a call and sends nothing, so that they can be stored first.

        target: Request-URI, and To unless `remote` is given. hop: the trunk; a name is resolved on sending.
        local: From. asserted_identity: a URI. holder: another node of ours, which holds the connection that `hop` is.
        Raises `ValueError` for what cannot stand in a message.
        """
        routes: tuple[str, ...] = ()
        if holder is not None and self._stack.relay is not None:
            routes = (self._stack.relay.route_over(holder, hop),)
            hop = Hop(host=holder[0], port=holder[1], transport=Transport.TCP)
        return prepare(
            target=target,
            hop=hop,
            local=local,
            remote=remote,
            asserted_identity=asserted_identity,
            headers=headers,
            sent_by=self._stack.sent_by(hop.transport),
            sent_by_family=self._stack.sent_by_family(hop.transport),
            routes=routes,
        )

    async def send_invite(
        self,
        prepared: PreparedInvite,
        sdp: bytes,
        *,
        credentials: Credentials | None = None,
        on_offer: OfferHandler | None = None,
        patience: float | None = None,
    ) -> OutboundCall:
        """Sends it. What goes wrong from here on is a `Failed` event, not an exception.

        `on_offer` answers the far end's re-INVITEs; without it the same media are answered again.
        After `patience` seconds without an answer of any kind, to find the address included, `Silent` is told.
        """
        call = OutboundCall(self._stack, prepared, sdp, credentials, on_offer, patience)
        await call.start()
        return call

    async def bye_detached(
        self, state: DialogState, *, credentials: Credentials | None = None, reason: Reason | None = None
    ) -> int | None:
        """Hangs up a call of another process: the final status, None if nobody answered."""
        return await bye_detached(self._stack, state, credentials, reason)

    async def cancel_detached(self, state: InviteState, *, reason: Reason | None = None) -> int | None:
        """Cancels an INVITE of another process: the status of the CANCEL (481: nothing there to cancel).

        The 487 that follows is acknowledged; an answer that crosses is acknowledged and hung up.
        """
        return await cancel_detached(self._stack, state, reason)

    # Requests outside dialogs.

    async def request(
        self,
        method: str,
        *,
        target: str,
        hop: Hop,
        local: NameAddr | None = None,
        remote: NameAddr | None = None,
        call_id: str | None = None,
        cseq: int = 1,
        headers: Sequence[tuple[str, str]] = (),
        authorizer: Authorizer | None = None,
        contact: bool = True,
    ) -> Outcome:
        """Any request that opens no dialog (OPTIONS, REGISTER, MESSAGE); a local 503 if `hop` leads nowhere.

        Without `contact` a REGISTER only asks what is registered (RFC 3261 §10.2.3).
        """
        try:
            hop = await self._stack.resolve(hop)
        except OSError:
            return Outcome(503, phrase(503), None, cseq)
        sender = local or NameAddr(sip_uri("sautikit", *self._stack.advertised))
        request = blank_request(method, target)
        request.headers.set("From", f"{sender};tag={new_tag()}")
        request.headers.set("To", str(remote or NameAddr(target)))
        request.headers.set("Call-ID", call_id or f"{new_tag()}@{self._stack.advertised[0]}")
        request.headers.set("CSeq", f"{cseq} {method}")
        self._stack.dress(request, hop, new_branch())
        if contact:
            request.headers.set("Contact", self._stack.contact(sender.user, hop.transport, hop.host))
        for name, value in headers:
            request.headers.set(name, value)
        if authorizer is not None:
            authorizer.renew()
            authorizer.apply(request)
        outcome = await self._stack.exchange(request, hop, authorizer)
        if outcome.response is None:
            self._stack.targets.failed(hop)
        return outcome

    async def ping(self, hop: Hop, patience: float = 4.0) -> Pong | None:
        """OPTIONS to a trunk: its status and the round trip; None when nobody answered within `patience` seconds.

        Of several machines behind one name they share it, and the first that answers will do.
        """
        try:
            async with asyncio.timeout(patience):
                targets = await self._stack.resolve_all(hop)
        except OSError:  # TimeoutError is one
            return None
        for target in targets:
            started = self._stack.now()
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(patience / len(targets)):
                    outcome = await self.request(
                        "OPTIONS", target=sip_uri("", hop.host, hop.port), hop=target
                    )
                    if outcome.response is not None:
                        return Pong(outcome.code, self._stack.now() - started)
            self._stack.targets.failed(target)
        return None

    def keep_alive_at(self, hop: Hop) -> None:
        """Keeps the way back to a device open through its NAT; `hop` is an address."""
        self._stack.transport.keep_alive(hop)

    async def keep_alive(self, hop: Hop) -> None:
        """Keeps the way back from a trunk open through NATs; nothing answers, nothing fails."""
        with contextlib.suppress(OSError):  # a name that does not resolve now may do so next time
            self._stack.transport.keep_alive(await self._stack.resolve(hop))

    # What comes in outside dialogs.

    def _on_new_request(self, transaction: ServerTransaction) -> None:
        method = transaction.method
        if (code := self._objection(transaction.arrival)) is not None:
            self._refuse(transaction, code)
        elif method == "OPTIONS":
            self._answer_options(transaction)
        else:
            if method == "INVITE":
                transaction.on_cancel = lambda _: self._refuse(transaction, 487)
            self._stack.spawn(self._admit(transaction))

    def _objection(self, request: Arrival) -> int | None:
        """The code that refuses a request before anything else is asked (RFC 3261 §8.2)."""
        method = request.request.method
        if method in ("BYE", "INFO", "UPDATE", "PRACK"):
            return 481
        if method not in ("INVITE", "OPTIONS", *self._handlers):
            return 405 if method in KNOWN else 501
        if request.request.uri.scheme == "tel" and method != "INVITE":
            return 416
        if unknown_extensions(request):
            return 420
        if method == "INVITE" and contact_uri(request) is None:
            return 400
        if method == "INVITE" and request.message.body and request.sdp is None:
            return 415
        if method == "INVITE" and too_small(request):
            return 422
        return None

    async def _admit(self, transaction: ServerTransaction) -> None:
        identity: str | None = None
        proved = False
        if self._authenticator is not None:
            verdict = await self._authenticator.authenticate(transaction.arrival)
            match verdict:
                case Admit():
                    identity, proved = verdict.identity, verdict.proved
                case Demand():
                    self._challenge(transaction, verdict)
                    return
                case Refuse():
                    self._refuse(transaction, verdict.code)
                    return
                case Ignore():
                    transaction.terminate()
                    return
        if handler := self._handlers.get(transaction.method):
            handler(transaction, identity)
        elif not transaction.answered:  # not cancelled while the authenticator was thinking
            transaction.respond(reply(transaction.arrival, 100))
            await self._take_call(InboundCall(self._stack, transaction, identity, proved=proved))

    async def _take_call(self, call: InboundCall) -> None:
        if self._on_invite is None:
            call.reject(480)
            return
        try:
            await self._on_invite(call)
        except Exception:
            call.reject(500)
            raise  # the stack logs what its tasks leave behind

    def _challenge(self, transaction: ServerTransaction, demand: Demand) -> None:
        response = reply(transaction.arrival, 407 if demand.proxy else 401, to_tag=new_tag())
        name = "Proxy-Authenticate" if demand.proxy else "WWW-Authenticate"
        response.headers.setlist(name, list(demand.challenges))
        transaction.respond(response)

    def _refuse(self, transaction: ServerTransaction, code: int) -> None:
        response = reply(transaction.arrival, code, to_tag=new_tag())
        response.headers.set("Allow", ", ".join((*ALLOWED, *self._handlers)))
        match code:
            case 420:
                response.headers.set("Unsupported", ", ".join(unknown_extensions(transaction.arrival)))
            case 422:
                response.headers.set("Min-SE", str(MIN_SE))
            case 415:
                response.headers.set("Accept", "application/sdp")
        transaction.respond(response)

    def _answer_options(self, transaction: ServerTransaction) -> None:
        response = reply(transaction.arrival, 200, to_tag=new_tag())
        response.headers.set("Allow", ", ".join((*ALLOWED, *self._handlers)))
        response.headers.set("Accept", "application/sdp")
        response.headers.set("Supported", SUPPORTED)
        response.headers.set("User-Agent", self._stack.name)
        transaction.respond(response)
