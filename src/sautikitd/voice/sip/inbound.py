"""A call that comes in: ringing, answer, refusal, and the caller giving up."""

from collections.abc import AsyncIterator, Sequence

import msgspec
from sipmessage import Response

from sautikitd.calls.outcomes import HangupCause
from sautikitd.voice.sip.address import MalformedAddress, NameAddr, number_in
from sautikitd.voice.sip.call_dialog import CallDialog
from sautikitd.voice.sip.causes import Reason, cause_of, read_reasons
from sautikitd.voice.sip.dialog import DialogState, dialog_of_callee
from sautikitd.voice.sip.events import Canceled, Event, EventStream, Lost
from sautikitd.voice.sip.hops import Source
from sautikitd.voice.sip.provisional import ReliableProvisionals, read_rack
from sautikitd.voice.sip.server_transaction import ServerTransaction
from sautikitd.voice.sip.stack import ALLOWED, SUPPORTED, SipStack, new_tag
from sautikitd.voice.sip.timers import Cancellable
from sautikitd.voice.sip.transactions import reply
from sautikitd.voice.sip.wire import Arrival, clean_header

_REMIND_SECONDS = 60.0  # RFC 3261 §13.3.1.1: a provisional a minute keeps proxies from giving up


class InboundCall:
    """Iterate over it for its events. Handed to `on_invite`; 100 has been sent."""

    def __init__(
        self,
        stack: SipStack,
        transaction: ServerTransaction,
        identity: str | None = None,
        *,
        proved: bool = False,
    ) -> None:
        self.events = EventStream()
        self.identity = identity
        """What the authenticator made of the caller; None when there was no authenticator."""
        self.proved = proved
        """Whether the caller is a device that has proved a secret, and with it where it is."""
        self.answered = False
        self._stack = stack
        self._transaction = transaction
        self._request = transaction.arrival
        self._reminder: Cancellable | None = None
        source = self._request.source
        contact = stack.contact(self._request.request.uri.user or "", source.transport, source.host)
        state = dialog_of_callee(self._request, new_tag(), contact)
        if proved or source.transport.websocket:
            state = msgspec.structs.replace(state, hop=source.fixed_hop)
        self.dialog = CallDialog(stack, state, self.events)
        self.dialog.on_early_bye = self._on_early_bye
        self.dialog.settled = False
        self._reliable = self._reliable_provisionals()
        transaction.on_cancel = self._on_cancel
        transaction.on_failure = self._on_transport_failure

    # What the caller sent.

    @property
    def source(self) -> Source:
        """Where the INVITE really came from: transport, address and port."""
        return self._request.source

    @property
    def call_id(self) -> str:
        return self._request.call_id

    @property
    def request_uri(self) -> str:
        return str(self._request.request.uri)

    @property
    def called(self) -> str:
        """The user part of the Request-URI: the number that was called, as the trunk writes it."""
        return number_in(self._request.request.uri.user or "")

    @property
    def from_(self) -> NameAddr:
        return self._request.from_

    @property
    def to(self) -> NameAddr:
        return self._request.to

    @property
    def asserted_identity(self) -> tuple[NameAddr, ...]:
        """P-Asserted-Identity, to be believed of a trusted trunk only (RFC 3325)."""
        return self._addresses("P-Asserted-Identity")

    @property
    def diversion(self) -> tuple[NameAddr, ...]:
        """Who forwarded the call, the latest first (RFC 5806)."""
        return self._addresses("Diversion")

    @property
    def offer(self) -> bytes | None:
        """The caller's SDP; None when he wants ours in the 200."""
        return self._request.sdp

    @property
    def reachable(self) -> bool:
        """Whether the caller has proved to be where his packets say: digest, a connection, or his ACK."""
        return self.identity is not None or self.source.transport.reliable or self.dialog.acknowledged

    def header(self, name: str) -> str | None:
        return self._request.message.headers.get(name)

    @property
    def state(self) -> DialogState:
        """All that a BYE needs, once the call is answered."""
        return self.dialog.state

    @property
    def open_dialogs(self) -> Sequence[DialogState]:
        """The dialog of an answered call, unless the far end has been seen to leave it."""
        up = self.answered and (self.dialog.parting or not self.events.ended)
        return [self.state] if up else []

    def __aiter__(self) -> AsyncIterator[Event]:
        return self.events.__aiter__()

    async def next_event(self) -> Event | None:
        """The next event, None once the call is over and all have been read."""
        return await self.events.next()

    # What we answer.

    def ring(self, code: int = 180, sdp: bytes | None = None) -> None:
        """180, or 183 with early media; repeated every minute. Does nothing once answered or over.

        A caller who requires it gets it reliably (RFC 3262). If he made no offer he then gets nothing: the
        first reliable answer would have to carry ours (RFC 3261 §13.2.1), which belongs into the 200.
        """
        if not 101 <= code <= 199:
            raise ValueError("a provisional code is 101 to 199")
        if not self.answered and not self.events.ended:
            if self._reliable is None:
                self._transaction.respond(self._make(code, sdp))
            elif self.offer is not None:
                self._reliable.send(self._make(code, sdp))
            if self._reminder is not None:
                self._reminder.cancel()
            self._reminder = self._stack.scheduler.call_later(_REMIND_SECONDS, lambda: self.ring(code, sdp))

    async def answer(self, sdp: bytes) -> DialogState | None:
        """200 OK, repeated until its ACK, which comes as `Acknowledged`. None: the caller is gone already."""
        if self.answered or self.events.ended:
            return self.state if self.answered else None
        await self.dialog.locate(self.source)
        if self._reliable is not None:
            await self._reliable.settled()
        if self._transaction.answered:  # cancelled in the meantime
            return None
        self.answered = True
        self._stop_ringing()
        self.dialog.local_sdp = sdp
        self.dialog.on_early_bye = None
        self.dialog.settled = True
        self.dialog.accept(self._transaction, self._make(200, sdp))
        return self.dialog.state

    def reject(
        self,
        code: int = 603,
        phrase: str | None = None,
        reasons: Sequence[Reason] = (),
        *,
        headers: Sequence[tuple[str, str]] = (),
    ) -> None:
        """Refuses with a final code, 300 to 699. Does nothing once answered or over."""
        if not 300 <= code <= 699:
            raise ValueError("a refusal is 300 to 699")
        if not self.answered and not self.events.ended:
            response = self._make(code, None, clean_header(phrase) if phrase else None)
            for reason in reasons:
                response.headers.add("Reason", clean_header(str(reason)))
            for name, value in headers:
                response.headers.add(name, clean_header(value))
            self._finish(response)
            self.events.end()

    async def bye(self, reason: Reason | None = None) -> int | None:
        """Hangs an answered call up: the status of the BYE, None if it was not answered or there is no call."""
        if not self.answered or self.events.ended:
            return None
        return await self.dialog.bye(reason)

    async def hang_up(self, reason: Reason | None = None) -> None:
        """`bye`, or a 603 to a call not answered yet."""
        if self.answered:
            await self.bye(reason)
        else:
            self.reject(603, reasons=[reason] if reason else ())

    def _make(self, code: int, sdp: bytes | None, phrase: str | None = None) -> Response:
        response = reply(self._request, code, phrase, to_tag=self.dialog.state.local_tag)
        if code < 300:
            response.headers.set("Contact", self.dialog.state.contact)
            if routes := self._request.listed("Record-Route"):
                response.headers.setlist("Record-Route", routes)
        response.headers.set("Allow", ", ".join(ALLOWED))
        response.headers.set("Supported", SUPPORTED)
        response.headers.set("User-Agent", self._stack.name)
        if sdp is not None:
            response.headers.set("Content-Type", "application/sdp")
            response.body = sdp
        return response

    def _finish(self, response: Response) -> None:
        self._stop_ringing()
        self._transaction.respond(response)
        self.dialog.close()

    def _stop_ringing(self) -> None:
        if self._reliable is not None:
            self._reliable.stop()
        if self._reminder is not None:
            self._reminder.cancel()
            self._reminder = None

    # Reliable provisional answers.

    def _reliable_provisionals(self) -> ReliableProvisionals | None:
        if "100rel" not in (tag.lower() for tag in self._request.listed("Require")):
            return None
        self.dialog.on_prack = self._on_prack
        return ReliableProvisionals(
            self._transaction,
            scheduler=self._stack.scheduler,
            timers=self._stack.timers,
            unacknowledged=self._on_missing_prack,
        )

    def _on_prack(self, prack: Arrival) -> bool:
        confirmed = self._reliable.acknowledge(read_rack(prack.header("RAck"))) if self._reliable else None
        if confirmed is not None and confirmed.body:
            self.dialog.local_sdp, self.dialog.settled = confirmed.body, True
        return confirmed is not None

    def _on_missing_prack(self) -> None:
        """RFC 3262 §3: the INVITE is then refused with a 5xx."""
        self._finish(self._make(504, None))
        self.events.push(Lost())

    # The caller gives up.

    def _on_cancel(self, cancel: Arrival) -> None:
        self._give_up(read_reasons(cancel.listed("Reason")))

    def _on_early_bye(self, bye: Arrival) -> None:
        self._give_up(read_reasons(bye.listed("Reason")))

    def _give_up(self, reasons: tuple[Reason, ...]) -> None:
        if not self.answered and not self.events.ended:
            self._finish(self._make(487, None))
            self.events.push(Canceled(cause_of(487, reasons), reasons))

    def _on_transport_failure(self) -> None:
        if not self.answered:
            self._stop_ringing()
            self.dialog.close()
            self.events.push(Lost(HangupCause.NETWORK_ERROR))

    def _addresses(self, name: str) -> tuple[NameAddr, ...]:
        found = []
        for value in self._request.listed(name):
            try:
                found.append(NameAddr.parse(value))
            except MalformedAddress:
                continue
        return tuple(found)
