"""An INVITE before it is sent: its identifiers are chosen here, so that they can be stored first."""

from collections.abc import Sequence
from typing import Any

import msgspec
from sipmessage import Request

from sautikitd.voice.sip.address import NameAddr, SipUri, family_of, sip_uri
from sautikitd.voice.sip.dialog import blank_request
from sautikitd.voice.sip.hops import Hop, Transport
from sautikitd.voice.sip.stack import ALLOWED, SUPPORTED, new_tag
from sautikitd.voice.sip.transactions import new_branch
from sautikitd.voice.sip.wire import clean_header, write_via


class InviteState(msgspec.Struct, frozen=True, kw_only=True):
    """All that a CANCEL needs, also from another process (JSON by msgspec).

    Each answer to a digest challenge is a new attempt: the next CSeq, and a branch made from the first.
    """

    call_id: str
    local_tag: str
    local: str  # From without its tag
    remote: str  # To
    target: str  # Request-URI
    branch: str  # of attempt 1
    cseq: int = 1  # of attempt 1
    attempt: int = 1
    sent_by: tuple[str, int]  # host and port of our Via
    sent_by_family: dict[int, tuple[str, int]] = {}  # of those to far ends at IPv4 (4) and IPv6 (6) addresses
    hop: Hop
    routes: tuple[str, ...] = ()  # Route values that it sets out with

    @property
    def current_sent_by(self) -> tuple[str, int]:
        return self.sent_by_family.get(family_of(self.hop.host) or 0, self.sent_by)

    @property
    def current_branch(self) -> str:
        return self.branch if self.attempt == 1 else f"{self.branch}.{self.attempt}"

    @property
    def current_cseq(self) -> int:
        return self.cseq + self.attempt - 1

    def at(self, attempt: int) -> "InviteState":
        return msgspec.structs.replace(self, attempt=attempt)


class PreparedInvite(msgspec.Struct, frozen=True, kw_only=True):
    """An INVITE ready to be sent: its state, and the headers its caller wants on it."""

    state: InviteState
    headers: tuple[tuple[str, str], ...] = ()

    @classmethod
    def restore(cls, stored: Any) -> "PreparedInvite":
        """From its builtins, as they are or as they were kept in JSON, whose keys are strings."""
        return msgspec.convert(stored, cls, str_keys=True)


def prepare(
    *,
    target: str,
    hop: Hop,
    local: NameAddr,
    remote: NameAddr | None,
    asserted_identity: str | None,
    headers: Sequence[tuple[str, str]],
    sent_by: tuple[str, int],
    sent_by_family: dict[int, tuple[str, int]],
    routes: tuple[str, ...] = (),
) -> PreparedInvite:
    """Raises `ValueError` for a URI that cannot be read or a header with control characters."""
    SipUri.parse(target)
    SipUri.parse(local.uri)
    extra = [("P-Asserted-Identity", f"<{asserted_identity}>")] if asserted_identity else []
    extra += headers
    state = InviteState(
        call_id=f"{new_tag()}{new_tag()}@{sent_by[0]}",
        local_tag=new_tag(),
        local=clean_header(str(local)),
        remote=clean_header(str(remote or NameAddr(target))),
        target=target,
        branch=new_branch(),
        sent_by=sent_by,
        sent_by_family=sent_by_family,
        hop=hop,
        routes=routes,
    )
    return PreparedInvite(
        state=state, headers=tuple((clean_header(name), clean_header(value)) for name, value in extra)
    )


def _skeleton(state: InviteState, method: str) -> Request:
    """What INVITE and its CANCEL have in common (RFC 3261 §9.1)."""
    request = blank_request(method, state.target)
    request.headers.set("Via", write_via(state.hop.transport, *state.current_sent_by, state.current_branch))
    request.headers.set("Max-Forwards", "70")
    request.headers.set("From", f"{state.local};tag={state.local_tag}")
    request.headers.set("To", state.remote)
    request.headers.set("Call-ID", state.call_id)
    request.headers.set("CSeq", f"{state.current_cseq} {method}")
    if state.routes:
        request.headers.setlist("Route", list(state.routes))
    return request


def cancel_request(state: InviteState, reason: str | None = None) -> Request:
    request = _skeleton(state, "CANCEL")
    if reason is not None:
        request.headers.set("Reason", clean_header(reason))
    return request


def invite_request(prepared: PreparedInvite, sdp: bytes, user_agent: str) -> Request:
    request = _skeleton(prepared.state, "INVITE")
    request.headers.set("Contact", contact_of(prepared.state))
    request.headers.set("User-Agent", user_agent)
    request.headers.set("Allow", ", ".join(ALLOWED))
    request.headers.set("Supported", SUPPORTED)
    for name, value in prepared.headers:
        request.headers.add(name, value)
    if sdp:
        request.headers.set("Content-Type", "application/sdp")
        request.body = sdp
    return request


def contact_of(state: InviteState) -> str:
    named = None if state.hop.transport is Transport.UDP else state.hop.transport.in_uri
    return f"<{sip_uri(NameAddr.parse(state.local).user, *state.current_sent_by, named)}>"
