"""An INVITE dialog while it lives: requests from the far end answered, our own sent."""

import asyncio
import random
from collections.abc import Awaitable, Callable, Sequence

import msgspec
from sipmessage import Response

from sautikitd.calls.outcomes import HangupCause
from sautikitd.voice.sip.acceptance import Acceptance
from sautikitd.voice.sip.authorization import Authorizer
from sautikitd.voice.sip.causes import Reason, read_reasons
from sautikitd.voice.sip.dialog import DialogState, contact_uri
from sautikitd.voice.sip.events import Acknowledged, EventStream, Lost, Referred, Reinvite, RemoteBye
from sautikitd.voice.sip.hops import Flow, Source
from sautikitd.voice.sip.info import read_info
from sautikitd.voice.sip.objections import objection_to
from sautikitd.voice.sip.provisional import Rack
from sautikitd.voice.sip.referral import DECLINED, SIPFRAG, Referral, UnusableReferral, wanted_by
from sautikitd.voice.sip.reoffers import direction_of, renewed_offer, same_media_answer
from sautikitd.voice.sip.sdp_errors import SdpError
from sautikitd.voice.sip.server_transaction import ServerTransaction
from sautikitd.voice.sip.session_timer import (
    SessionTerms,
    SessionTimer,
    min_se,
    terms_of_request,
    terms_of_response,
)
from sautikitd.voice.sip.stack import ALLOWED, KNOWN, SUPPORTED, Outcome, SipStack
from sautikitd.voice.sip.transactions import reply
from sautikitd.voice.sip.wire import Arrival, clean_header, write_message

OfferHandler = Callable[[bytes], Awaitable[bytes]]
"""Gets the SDP of a re-INVITE or UPDATE and gives the SDP of the answer; `SdpError` refuses it with 488."""


class CallDialog:
    """Registered with the stack from its making until the end of the call."""

    def __init__(
        self,
        stack: SipStack,
        state: DialogState,
        events: EventStream,
        *,
        local_sdp: bytes | None = None,
        authorizer: Authorizer | None = None,
    ) -> None:
        self.state = state
        self.events = events
        self.local_sdp = local_sdp
        self.flow: Flow | None = None
        """The far end's connection while it lives on the same host as the next hop: requests go there."""
        self.on_offer: OfferHandler | None = None
        self.on_early_bye: Callable[[Arrival], None] | None = None
        self.on_prack: Callable[[Arrival], bool] | None = None
        """Told of a PRACK; whether it names a provisional answer of ours that is open."""
        self.settled = True
        """False while the first offer has no reliable answer, so that no second one may be made."""
        self.remote_sdp: bytes | None = None
        """The far end's description from the latest of his offers or answers in the dialog."""
        self.acknowledged = False
        """Whether a 2xx of ours has been acknowledged: the far end is where it says it is."""
        self.takes_update = False
        """Whether the far end has said that it knows UPDATE, the lighter way to refresh a session."""
        self.session = SessionTimer(
            stack.scheduler, refresh=lambda: stack.spawn(self._refresh()), expired=self._lose
        )
        self.parting = False
        """Whether a BYE of ours is due, or out without an answer yet: the far end may still think that we talk."""
        self._confirmed = self._closed = False
        self._stack = stack
        self._authorizer = authorizer
        self._acceptances: dict[int, Acceptance] = {}  # by CSeq of the INVITE
        self._offerless: set[int] = set()  # CSeqs of re-INVITEs whose ACK brings the answer
        self._ack: bytes | None = None
        self._answering = False  # a re-INVITE or UPDATE of theirs has no answer yet
        self._held: list[ServerTransaction] | None = (
            None  # requests that came before we were told of the dialog
        )
        self._unacknowledged: asyncio.Event | None = (
            None  # set once the ACK of the answer has come, or never will
        )
        self._inviting = False  # one of ours has none
        stack.dialogs[state.key] = self

    def hold_requests(self) -> None:
        """What the far end asks waits from now on, until `take_requests`: it may come in one piece with his 200."""
        self._held = []

    def take_requests(self) -> None:
        held, self._held = self._held or (), None
        for transaction in held:
            self.on_request(transaction)

    def close(self) -> None:
        """Forgets the dialog; later requests of it get 481."""
        self._closed = True
        if self._unacknowledged is not None:
            self._unacknowledged.set()
        self.session.stop()
        for acceptance in self._acceptances.values():
            acceptance.stop()
        self._acceptances.clear()
        if self._stack.dialogs.get(self.state.key) is self:
            del self._stack.dialogs[self.state.key]

    def succeed(self, early: "CallDialog") -> None:
        """Goes on counting and describing where the early dialog of the same call left off."""
        self.local_sdp, self.remote_sdp = early.local_sdp, early.remote_sdp
        self.state = msgspec.structs.replace(
            self.state,
            local_cseq=max(self.state.local_cseq, early.state.local_cseq),
            remote_cseq=max(self.state.remote_cseq, early.state.remote_cseq),
        )

    def abandon(self) -> None:
        self.close()
        self.events.push(Lost(HangupCause.NODE_LOST))

    async def locate(self, source: Source) -> None:
        """Finds the address of the next hop, now that the far end has shown himself at `source`."""
        self.state = await self._stack.locate(self.state)
        if self.state.hop.fixed:
            self.flow = None
            return
        near = not self.state.routes and self.state.hop.host == source.host
        self.flow = source.flow if near and self.state.hop.transport is source.transport else None

    # Our requests.

    async def request(
        self,
        method: str,
        *,
        body: bytes = b"",
        content_type: str = "",
        headers: Sequence[tuple[str, str]] = (),
        on_2xx: Callable[[Arrival], None] | None = None,
    ) -> Outcome:
        """Any request but ACK, challenges answered. 408 and 481 mean that the far end has no such call."""
        self.state = msgspec.structs.replace(self.state, local_cseq=self.state.local_cseq + 1)
        request = self._stack.in_dialog(self.state, method)
        if method in ("INVITE", "UPDATE"):
            request.headers.set("Contact", self.state.contact)
            request.headers.set("Allow", ", ".join(ALLOWED))
            request.headers.set("Supported", SUPPORTED)
            for name, value in self.session.terms.request_headers() if self.session.terms else ():
                request.headers.set(name, value)
        for name, value in headers:
            request.headers.add(name, clean_header(value))
        if body:
            request.headers.set("Content-Type", content_type)
            request.body = body
        if self._authorizer is not None:
            self._authorizer.renew()
            self._authorizer.apply(request)
        outcome = await self._stack.exchange(request, self.state.hop, self._authorizer, self.flow, on_2xx)
        cseq = max(outcome.cseq, self.state.local_cseq)
        self.state = msgspec.structs.replace(self.state, local_cseq=cseq)
        if outcome.ok and outcome.response is not None and method in ("INVITE", "UPDATE"):
            self.agree_session(terms_of_response(outcome.response) or self.session.terms)
        return outcome

    async def prack(self, rack: Rack) -> None:
        """Confirms a reliable provisional answer (RFC 3262 §4)."""
        await self.request("PRACK", headers=[("RAck", str(rack))])

    async def bye(self, reason: Reason | None = None) -> int | None:
        """Ends the call. The final status of the BYE, None if nobody answered it, or the far end has ended it first.

        A caller whose ACK has not come yet may not know that he was answered: the BYE waits for it, and the answer goes
        on being repeated (RFC 3261 §15).
        """
        self.parting = True
        self.events.end()
        self.session.stop()
        if self._unacknowledged is not None:
            await self._unacknowledged.wait()
        if self._closed:
            self.parting = False
            return None
        for acceptance in self._acceptances.values():
            acceptance.stop()
        outcome = await self.request("BYE", headers=[("Reason", str(reason))] if reason else ())
        self.parting = False
        self.close()
        return outcome.code if outcome.response is not None else None

    def agree_session(self, terms: SessionTerms | None) -> None:
        """Begins the session interval anew; a dialog without an answer has none."""
        if self._confirmed and not self.events.ended:
            self.session.start(terms)

    async def _refresh(self) -> None:
        """RFC 4028 §10: UPDATE without a description, or a re-INVITE with the one there is."""
        terms = self.session.terms
        if terms is None or self.events.ended:
            return
        if self.takes_update or self.local_sdp is None:
            outcome = await self.request("UPDATE")
        else:
            outcome = await self.reinvite(self.local_sdp)
            self._take_answer(outcome)
        if outcome.code in (408, 481):
            self._lose()
        elif outcome.code == 491:
            self.session.try_again(random.uniform(2.1, 4.0))  # RFC 3261 §14.1
        elif outcome.code == 422 and outcome.response is not None:
            seconds = max(min_se(outcome.response), terms.seconds + 1)
            self.session.terms = SessionTerms(seconds, we_refresh=True)
            self.session.try_again(0)
        elif outcome.code in (405, 501) and self.takes_update:
            self.takes_update = False
            self.session.try_again(0)

    def _take_answer(self, outcome: Outcome) -> None:
        """Tells of an answer to our refreshing offer that is not the one before."""
        answer = outcome.response.sdp if outcome.ok and outcome.response is not None else None
        if answer is not None and answer != self.remote_sdp:
            self.remote_sdp = answer
            self.events.push(Reinvite(answer, self.local_sdp, direction_of(answer), we_offered=True))

    async def probe(self) -> int | None:
        """OPTIONS inside the dialog: is the far end still there? None: no answer."""
        outcome = await self.request("OPTIONS")
        return outcome.code if outcome.response is not None else None

    async def reinvite(self, offer: bytes) -> Outcome:
        """Offers a changed session; on 2xx the outcome's response carries the answer, already acknowledged.

        491 when an offer of theirs is being answered or one of ours is open (RFC 3261 §14.1).
        """
        if self._inviting or self._answering:
            return Outcome(491, "Request Pending")
        self._inviting = True
        try:
            outcome = await self.request(
                "INVITE", body=offer, content_type="application/sdp", on_2xx=self._acknowledge_repeat
            )
        finally:
            self._inviting = False
        if outcome.ok and outcome.response is not None:
            self.local_sdp = offer
            await self._refresh_target(outcome.response)
            self.acknowledge(outcome.response.cseq)
        return outcome

    def acknowledge(self, cseq: int) -> None:
        """Sends the ACK for a 2xx to our INVITE (RFC 3261 §13.2.2.4) and keeps it for repetitions."""
        self._confirmed = True
        ack = self._stack.in_dialog(msgspec.structs.replace(self.state, local_cseq=cseq), "ACK")
        self._ack = write_message(ack)
        self._send_ack()

    def acknowledge_again(self) -> None:
        """The same 2xx came again, so its ACK was lost."""
        if self._ack is not None:
            self._send_ack()

    def _acknowledge_repeat(self, response: Arrival) -> None:
        if not self._inviting:
            self.acknowledge_again()

    def _send_ack(self) -> None:
        assert self._ack is not None
        self._stack.transport.send(self._ack, self.state.hop, lambda _: None, self.flow)

    # Their requests.

    def on_request(self, transaction: ServerTransaction) -> None:
        if self._held is not None:
            self._held.append(transaction)
            return
        request = transaction.arrival
        if request.cseq <= self.state.remote_cseq:
            self._respond(transaction, 500)  # out of order, RFC 3261 §12.2.2
            return
        self.state = msgspec.structs.replace(self.state, remote_cseq=request.cseq)
        if self.state.hop.fixed:  # it may have come back over another connection
            self.state = msgspec.structs.replace(self.state, hop=request.source.fixed_hop)
        if objection := objection_to(request):
            response = self._make(transaction, objection[0])
            response.headers.set(objection[1], objection[2])
            transaction.respond(response)
            return
        match transaction.method:
            case "BYE":
                self._on_bye(transaction)
            case "INVITE" | "UPDATE":
                self._on_offer(transaction)
            case "PRACK":
                self._on_prack(transaction)
            case "INFO":
                self._on_info(transaction)
            case "REFER":
                self._on_refer(transaction)
            case "OPTIONS":
                self._respond(transaction, 200)
            case method:
                self._respond(transaction, 405 if method in KNOWN else 501)

    def on_ack(self, ack: Arrival) -> None:
        acceptance = self._acceptances.pop(ack.cseq, None)
        if acceptance is None:
            return
        acceptance.stop()
        if self._unacknowledged is not None:
            self._unacknowledged.set()
        if ack.cseq in self._offerless:
            self._offerless.discard(ack.cseq)
            self.remote_sdp = ack.sdp or self.remote_sdp
            self.events.push(Reinvite(ack.sdp, self.local_sdp, direction_of(ack.sdp), we_offered=True))
        elif not self.acknowledged:
            self.events.push(Acknowledged(ack.sdp))
        self.acknowledged = True

    def accept(self, transaction: ServerTransaction, response: Response) -> None:
        """Sends a 2xx to an INVITE and sees to its ACK."""
        if not self._confirmed:
            self._unacknowledged = asyncio.Event()
        self._confirmed = True
        self._grant_session(transaction.arrival, response)
        cseq = transaction.arrival.cseq
        self._acceptances[cseq] = Acceptance(
            transaction,
            response,
            scheduler=self._stack.scheduler,
            timers=self._stack.timers,
            unacknowledged=self._lose,
        )

    def _grant_session(self, request: Arrival, response: Response) -> None:
        """Writes what becomes of the session interval into our 2xx, and begins it."""
        self.takes_update = "UPDATE" in request.listed("Allow") or self.takes_update
        terms = terms_of_request(request) or self.session.terms
        if terms is not None:
            for name, value in terms.response_headers():
                response.headers.set(name, value)
        self.agree_session(terms)

    def _lose(self) -> None:
        """No ACK for 64*T1 (RFC 3261 §13.3.1.4), or no refresh: the call is dead; a BYE says so."""
        if self._unacknowledged is not None:
            self._unacknowledged.set()
        if not self.parting:
            self.parting = True
            self.events.push(Lost())
            self._stack.spawn(self.bye())

    def _on_bye(self, transaction: ServerTransaction) -> None:
        self._respond(transaction, 200)
        if self.on_early_bye is not None:
            self.on_early_bye(transaction.arrival)
        self.events.push(RemoteBye(read_reasons(transaction.arrival.listed("Reason"))))
        self.close()

    def _on_info(self, transaction: ServerTransaction) -> None:
        info = read_info(transaction.arrival)
        if info is not None:
            self.events.push(info)
        known = info is None or info.digit is not None
        self._respond(transaction, 200 if known else 415)

    def _on_refer(self, transaction: ServerTransaction) -> None:
        """Told to the owner of the call, who decides. What cannot be followed is declined here (RFC 3515 §2.4.2)."""
        try:
            wanted = None if self.events.ended else wanted_by(transaction.arrival)
        except UnusableReferral:
            wanted = None
        if wanted is None:
            self._respond(transaction, DECLINED)
            return
        self.events.push(
            Referred(Referral(wanted, lambda code: self._respond(transaction, code), self._notify_referrer))
        )

    async def _notify_referrer(self, sipfrag: bytes, state: str) -> None:
        if not self.events.ended:
            about = [("Event", "refer"), ("Subscription-State", state), ("Contact", self.state.contact)]
            await self.request("NOTIFY", body=sipfrag, content_type=SIPFRAG, headers=about)

    def _on_prack(self, transaction: ServerTransaction) -> None:
        if self.on_prack is None or not self.on_prack(transaction.arrival):
            self._respond(transaction, 481)
        elif transaction.arrival.sdp is None:
            self._respond(transaction, 200)
        else:
            self._on_offer(transaction)

    def _on_offer(self, transaction: ServerTransaction) -> None:
        if self._answering:
            response = self._make(transaction, 500)
            response.headers.set("Retry-After", "1")  # RFC 3261 §14.2, RFC 3311 §5.2
            transaction.respond(response)
        elif self._inviting or not self.settled:
            self._respond(transaction, 491)
        else:
            self._answering = True
            self._stack.spawn(self._answer_offer(transaction))

    async def _answer_offer(self, transaction: ServerTransaction) -> None:
        request = transaction.arrival
        try:
            await self._refresh_target(request)
            answer = await self._make_answer(transaction.method, request.sdp)
        except SdpError:
            self._respond(transaction, 488)
            return
        finally:
            self._answering = False
        response = self._make(transaction, 200)
        response.headers.set("Contact", self.state.contact)
        if answer is not None:
            response.headers.set("Content-Type", "application/sdp")
            response.body = self.local_sdp = answer
        self.remote_sdp = request.sdp or self.remote_sdp
        if transaction.method != "INVITE":
            if transaction.method == "UPDATE":
                self._grant_session(request, response)
            transaction.respond(response)
        else:
            if request.sdp is None:
                self._offerless.add(request.cseq)
            self.accept(transaction, response)
        if request.sdp is not None or transaction.method == "UPDATE":
            self.events.push(Reinvite(request.sdp, answer, direction_of(request.sdp)))

    async def _make_answer(self, method: str, offer: bytes | None) -> bytes | None:
        if offer is None:
            return renewed_offer(self.local_sdp) if method == "INVITE" else None
        if self.on_offer is not None:
            return await self.on_offer(offer)
        return same_media_answer(offer, self.local_sdp)

    async def _refresh_target(self, message: Arrival) -> None:
        if (target := contact_uri(message)) is not None and target != self.state.target:
            self.state = msgspec.structs.replace(self.state, target=target)
            await self.locate(message.source)

    def _make(self, transaction: ServerTransaction, code: int) -> Response:
        response = reply(transaction.arrival, code, to_tag=self.state.local_tag)
        response.headers.set("Allow", ", ".join(ALLOWED))
        return response

    def _respond(self, transaction: ServerTransaction, code: int) -> None:
        transaction.respond(self._make(transaction, code))
