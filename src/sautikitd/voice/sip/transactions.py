"""The transaction layer (RFC 3261 §17): which message belongs to which transaction."""

import secrets
from typing import Protocol

import structlog
from sipmessage import Request, Response

from sautikitd.voice.sip.address import with_tag
from sautikitd.voice.sip.client_transaction import (
    ClientListener,
    ClientTransaction,
    InviteClientTransaction,
    Outlet,
    PlainClientTransaction,
)
from sautikitd.voice.sip.headers import new_response
from sautikitd.voice.sip.hops import Flow, Hop, Source
from sautikitd.voice.sip.phrases import phrase
from sautikitd.voice.sip.server_transaction import (
    InviteServerTransaction,
    PlainServerTransaction,
    ServerTransaction,
)
from sautikitd.voice.sip.timers import Scheduler, Timers
from sautikitd.voice.sip.transport import response_hop
from sautikitd.voice.sip.wire import (
    MAGIC_COOKIE,
    Arrival,
    MalformedMessage,
    arrival,
    header_list,
    read_message,
    read_via,
    stamp_via,
    write_message,
)

log = structlog.get_logger(__name__)

ServerKey = tuple[str, ...]
MAX_TRANSACTIONS = 20_000


class TransactionUser(Protocol):
    """The layer above."""

    def relays(self, message: Arrival) -> bool:
        """Whether a message was meant for somebody else, and has been passed on to him."""
        ...

    def admits(self, request: Arrival) -> bool:
        """Whether a request that matches no transaction is looked at; False leaves it without an answer."""
        ...

    def on_request(self, transaction: ServerTransaction) -> None:
        """A new request, neither ACK nor CANCEL; a CANCEL goes to `on_cancel` of its INVITE's transaction."""
        ...

    def on_ack(self, ack: Arrival) -> None:
        """An ACK that belongs to no failed INVITE: the one for a 2xx."""
        ...

    def on_stray_response(self, response: Arrival) -> None:
        """A response to a transaction that is over or never was."""
        ...


def new_branch() -> str:
    return MAGIC_COOKIE + secrets.token_hex(12)


class TransactionLayer:
    def __init__(self, user: TransactionUser, outlet: Outlet, scheduler: Scheduler, timers: Timers) -> None:
        self._user = user
        self._outlet = outlet
        self._scheduler = scheduler
        self._timers = timers
        self._clients: dict[tuple[str, str], ClientTransaction] = {}
        self._servers: dict[ServerKey, ServerTransaction] = {}
        self._merging: dict[tuple[str | None, str, int, str], ServerKey] = {}
        self.malformed = 0  # messages dropped because they could not be read

    def __len__(self) -> int:
        return len(self._clients) + len(self._servers)

    def receive(self, data: bytes, source: Source) -> None:
        """One whole message from the wire. What cannot be read is counted and dropped, never answered."""
        try:
            message = read_message(data)
            arrived = arrival(message, source)
        except MalformedMessage as error:
            self.malformed += 1
            log.debug("sip.malformed", source=f"{source.host}:{source.port}", reason=str(error))
            return
        if self._user.relays(arrived):
            return
        if isinstance(message, Response):
            self._on_response(arrived)
        else:
            self._on_request(arrived)

    def request(
        self, request: Request, hop: Hop, listener: ClientListener, flow: Flow | None = None
    ) -> ClientTransaction:
        """Starts a client transaction; its branch is the one in the request's top Via."""
        transaction = self._make_client(request, hop, listener, flow)
        transaction.start()
        return transaction

    def adopt(self, invite: Request, hop: Hop, listener: ClientListener) -> ClientTransaction:
        """Takes over an INVITE that another process sent, to acknowledge what still answers it."""
        transaction = self._make_client(invite, hop, listener, None)
        transaction.watch()
        return transaction

    def _make_client(
        self, request: Request, hop: Hop, listener: ClientListener, flow: Flow | None
    ) -> ClientTransaction:
        kind = InviteClientTransaction if request.method == "INVITE" else PlainClientTransaction
        transaction = kind(
            request,
            hop,
            listener,
            outlet=self._outlet,
            scheduler=self._scheduler,
            timers=self._timers,
            ended=self._client_ended,
            flow=flow,
        )
        self._clients[_client_key(request)] = transaction
        return transaction

    def terminate_all(self) -> None:
        for client in list(self._clients.values()):
            client.abandon()
        for server in list(self._servers.values()):
            server.terminate()

    def connection_lost(self, hop: Hop) -> None:
        """A connection that we made is gone: what waits for an answer over it hears so now, not after 64*T1."""
        for client in list(self._clients.values()):
            if client.goes_by(hop):
                client.abandon()

    def _client_ended(self, transaction: ClientTransaction) -> None:
        self._clients.pop(_client_key(transaction.request), None)

    def _server_ended(self, transaction: ServerTransaction) -> None:
        key = _server_key(transaction.arrival, transaction.method)
        self._servers.pop(key, None)
        merge_key = _merge_key(transaction.arrival)
        if self._merging.get(merge_key) == key:
            del self._merging[merge_key]

    def _on_response(self, response: Arrival) -> None:
        transaction = self._clients.get((response.via.branch, response.method))
        if transaction is not None:
            transaction.on_response(response)
        else:
            self._user.on_stray_response(response)

    def _on_request(self, request: Arrival) -> None:
        stamp_via(request.request, request.via, request.source)
        method = request.request.method
        key = _server_key(request, "INVITE" if method == "ACK" else method)
        known = self._servers.get(key)
        if method == "ACK":
            if not isinstance(known, InviteServerTransaction) or known.on_ack():
                self._user.on_ack(request)
        elif known is not None:
            known.on_repeat()
        elif not self._user.admits(request):
            log.debug("sip.ignored", source=f"{request.source.host}:{request.source.port}", method=method)
        elif method != request.method:
            self.refuse(request, 400, "CSeq names another method")
        elif method == "CANCEL":
            self._on_cancel(request)
        elif len(self) >= MAX_TRANSACTIONS:
            self._turn_away(request)
        else:
            self._start_server(request, key)

    def _start_server(self, request: Arrival, key: ServerKey) -> None:
        """A new transaction, unless the same request came by two ways (RFC 3261 §8.2.2.2)."""
        merge_key = _merge_key(request)
        merged = request.to.tag is None and self._merging.get(merge_key, key) != key
        transaction = self._make_server(request, key)
        if merged:
            transaction.respond(reply(request, 482, to_tag=secrets.token_hex(8)))
            return
        self._merging[merge_key] = key
        self._user.on_request(transaction)

    def _make_server(self, request: Arrival, key: ServerKey) -> ServerTransaction:
        kind = InviteServerTransaction if request.method == "INVITE" else PlainServerTransaction
        transaction = kind(
            request,
            outlet=self._outlet,
            scheduler=self._scheduler,
            timers=self._timers,
            ended=self._server_ended,
        )
        self._servers[key] = transaction
        return transaction

    def _on_cancel(self, cancel: Arrival) -> None:
        """RFC 3261 §9.2: 200 if there is something to cancel, else 481."""
        invite = self._servers.get(_server_key(cancel, "INVITE"))
        transaction = self._make_server(cancel, _server_key(cancel, "CANCEL"))
        if invite is None:
            transaction.respond(reply(cancel, 481, to_tag=secrets.token_hex(8)))
            return
        transaction.respond(reply(cancel, 200, to_tag=secrets.token_hex(8)))
        if not invite.answered and invite.on_cancel is not None:
            invite.on_cancel(cancel)

    def _turn_away(self, request: Arrival) -> None:
        """503 without keeping anything, since there is too much already."""
        data = write_message(reply(request, 503, to_tag="busy"))
        hop = response_hop(request.via, request.source)
        self._outlet.send(data, hop, lambda _: None, request.source.flow)

    def refuse(self, request: Arrival, code: int, reason: str | None = None) -> None:
        """Answers without the layer above, in a transaction of its own."""
        transaction = self._make_server(request, _server_key(request, request.request.method))
        transaction.respond(reply(request, code, reason, to_tag=secrets.token_hex(8)))


def reply(request: Arrival, code: int, reason: str | None = None, *, to_tag: str | None = None) -> Response:
    """A response with the headers that RFC 3261 §8.2.6.2 copies; `to_tag` if the To has none yet."""
    response = new_response(code, reason or phrase(code))
    response.headers.setlist("Via", list(request.message.headers.getlist("Via")))
    response.headers.set("From", request.header("From"))
    to = request.header("To")
    tagged = to_tag is not None and request.to.tag is None
    response.headers.set("To", with_tag(to, to_tag) if tagged and to_tag else to)
    response.headers.set("Call-ID", request.call_id)
    response.headers.set("CSeq", request.header("CSeq"))
    return response


def _client_key(request: Request) -> tuple[str, str]:
    return read_via(header_list(request, "Via")[0]).branch, request.method


def _server_key(request: Arrival, method: str) -> ServerKey:
    """RFC 3261 §17.2.3; for a branch without the cookie, what RFC 2543 would compare."""
    branch = request.via.branch
    if branch.startswith(MAGIC_COOKIE):
        return branch, request.via.sent_by, method
    from_tag = request.from_.tag or ""
    return request.via.sent_by, request.call_id, str(request.cseq), from_tag, branch, method


def _merge_key(request: Arrival) -> tuple[str | None, str, int, str]:
    return request.from_.tag, request.call_id, request.cseq, request.method
