"""Dialogs (RFC 3261 §12): the state that both sides keep, and requests made from it."""

import msgspec
from sipmessage import Request

from sautikitd.voice.sip.address import MalformedAddress, NameAddr, SipUri, unbracketed
from sautikitd.voice.sip.headers import new_request
from sautikitd.voice.sip.hops import Hop, Transport
from sautikitd.voice.sip.wire import Arrival

DialogKey = tuple[str, str, str]  # Call-ID, our tag, their tag


class DialogState(msgspec.Struct, frozen=True, kw_only=True):
    """All that a request inside the dialog needs, also from another process (JSON by msgspec)."""

    call_id: str
    local_tag: str
    remote_tag: str
    local: str  # our side's From or To without its tag
    remote: str  # the other side's, likewise
    target: str  # remote target: the URI of the far end's Contact
    routes: tuple[str, ...] = ()  # route set in the order in which requests visit it
    local_cseq: int = 0  # of our latest request; 0 before any
    remote_cseq: int = 0
    contact: str = ""  # our own Contact value
    hop: Hop  # where requests go: an IP address

    @property
    def key(self) -> DialogKey:
        return self.call_id, self.local_tag, self.remote_tag

    @property
    def next_uri(self) -> str:
        """The URI whose host gets the next request: the first route, else the remote target."""
        return NameAddr.parse(self.routes[0]).uri if self.routes else self.target


def untagged(value: str) -> str:
    """A From or To value without its tag, as it is kept in a `DialogState`."""
    read = NameAddr.parse(value)
    return str(NameAddr(read.uri, read.display, {k: v for k, v in read.params.items() if k != "tag"}))


def dialog_of_caller(invite: Request, response: Arrival, contact: str, hop: Hop) -> DialogState:
    """The dialog that a response with a To tag opens for the side that sent `invite` (§12.1.2)."""
    sent_from = NameAddr.parse(invite.headers["From"])
    return DialogState(
        call_id=response.call_id,
        local_tag=sent_from.tag or "",
        remote_tag=response.to.tag or "",
        local=untagged(invite.headers["From"]),
        remote=untagged(response.header("To")),
        target=contact_uri(response) or str(invite.uri),
        routes=_routes(response)[::-1],
        local_cseq=response.cseq,
        contact=contact,
        hop=hop,
    )


def dialog_of_callee(invite: Arrival, local_tag: str, contact: str) -> DialogState:
    """The dialog that our answer to `invite` opens (§12.1.1)."""
    return DialogState(
        call_id=invite.call_id,
        local_tag=local_tag,
        remote_tag=invite.from_.tag or "",
        local=untagged(invite.header("To")),
        remote=untagged(invite.header("From")),
        target=contact_uri(invite) or invite.from_.uri,
        routes=_routes(invite),
        remote_cseq=invite.cseq,
        contact=contact,
        hop=invite.source.hop,
    )


def _routes(message: Arrival) -> tuple[str, ...]:
    """The Record-Route set, without entries that nothing could be sent to."""
    return tuple(value for value in message.listed("Record-Route") if _readable_uri(value) is not None)


def _readable_uri(value: str) -> str | None:
    try:
        uri = NameAddr.parse(value).uri
        SipUri.parse(uri)
    except MalformedAddress:
        return None
    return uri


def contact_uri(message: Arrival) -> str | None:
    """The URI of the first Contact that can be read."""
    return next(
        (uri for value in message.listed("Contact") if (uri := _readable_uri(value)) is not None), None
    )


def address_request(state: DialogState, method: str) -> Request:
    """A request with Request-URI and Route set as §12.2.1.1 says for loose and for strict routers."""
    routes = list(state.routes)
    uri = state.target
    if routes and not SipUri.parse(NameAddr.parse(routes[0]).uri).loose:
        uri = NameAddr.parse(routes.pop(0)).uri
        routes.append(f"<{state.target}>")
    request = blank_request(method, uri)
    if routes:
        request.headers.setlist("Route", routes)
    return request


def blank_request(method: str, uri: str) -> Request:
    """A request with room for its Via in the first place. Raises `MalformedAddress`."""
    request = new_request(method, SipUri.parse(uri))
    request.headers.set("Via", "")
    return request


def hop_of(uri: str, fallback: Hop) -> Hop:
    """Where a URI points (RFC 3263 without its DNS records): odd or missing parts as in `fallback`.

    A URI without `transport` stays on the transport of the dialog: many TCP-only devices omit it.
    """
    try:
        read = SipUri.parse(uri)
    except MalformedAddress:
        return fallback
    if not read.host:
        return fallback
    known = {t.value for t in Transport}
    transport = Transport(read.transport) if read.transport in known else fallback.transport
    return Hop(
        host=unbracketed(read.host),
        port=read.port or transport.default_port,
        transport=transport,
        allow_tcp=fallback.allow_tcp,
        name=fallback.name,
        trust=fallback.trust,
    )
