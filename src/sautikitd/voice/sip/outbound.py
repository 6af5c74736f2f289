"""A call we place: INVITE to answer or failure, and the dialogs that come of it."""

import contextlib
import re
from collections.abc import AsyncIterator, Sequence

import msgspec
from sipmessage import Request

from sautikitd.calls.outcomes import HangupCause
from sautikitd.voice.sip.address import MalformedAddress, NameAddr, SipUri
from sautikitd.voice.sip.authorization import Authorizer
from sautikitd.voice.sip.call_dialog import CallDialog, OfferHandler
from sautikitd.voice.sip.causes import Reason, cause_of, read_reasons
from sautikitd.voice.sip.client_transaction import ClientTransaction, Failure
from sautikitd.voice.sip.dialog import DialogState, dialog_of_caller
from sautikitd.voice.sip.digest import Credentials
from sautikitd.voice.sip.events import Answered, Event, EventStream, Failed, Progress, Silent
from sautikitd.voice.sip.hops import Hop
from sautikitd.voice.sip.invites import (
    InviteState,
    PreparedInvite,
    cancel_request,
    contact_of,
    invite_request,
)
from sautikitd.voice.sip.phrases import phrase
from sautikitd.voice.sip.provisional import Rack, rseq_of
from sautikitd.voice.sip.session_timer import MAX_SE, MIN_SE, min_se, terms_of_response, wanted
from sautikitd.voice.sip.stack import SipStack
from sautikitd.voice.sip.timers import Cancellable
from sautikitd.voice.sip.wire import Arrival, write_message


class OutboundCall:
    """Iterate over it for its events. Made by `UserAgent.send_invite`."""

    def __init__(
        self,
        stack: SipStack,
        prepared: PreparedInvite,
        sdp: bytes,
        credentials: Credentials | None,
        on_offer: OfferHandler | None = None,
        patience: float | None = None,
    ) -> None:
        self.events = EventStream()
        self.dialog: CallDialog | None = None
        """The dialog with whoever answered; None before."""
        self._stack = stack
        self._prepared = prepared
        self._sdp = sdp
        self._on_offer = on_offer
        self._authorizer = Authorizer(credentials)
        self._transaction: ClientTransaction | None = None
        self._dialogs: dict[str, CallDialog] = {}  # by To tag of a 2xx
        self._early_sdp: dict[str, bytes] = {}
        self._early: dict[str, CallDialog] = {}  # by To tag: those whose provisionals want a PRACK
        self._rseqs: dict[str, int] = {}
        self._session_seconds, self._min_se = stack.session_seconds, MIN_SE
        self._targets: list[Hop] = []  # further machines behind the name that is called
        self._left: dict[int, InviteState] = {}  # attempts at silent ones, by number
        self._called_off: set[int] = set()  # those of them that have spoken since
        self._patience = patience
        self._silence: Cancellable | None = None
        self._provisional = False
        self._alerted = False  # somebody is being rung: another machine would ring him twice
        self._cancel: Reason | None = None
        self._canceling = False
        self._cancel_sent = False
        self._cancel_deadline: Cancellable | None = None

    @property
    def state(self) -> InviteState:
        """What a CANCEL from another process needs now; its attempt grows with each challenge answered."""
        return self._prepared.state

    @property
    def open_invites(self) -> Sequence[InviteState]:
        """The INVITEs that are out without a final answer, at machines taken for dead too."""
        waits = self._transaction is not None and self.dialog is None and not self.events.ended
        return [*self._left.values(), *([self.state] if waits else [])]

    @property
    def open_dialogs(self) -> Sequence[DialogState]:
        """The dialogs, those of forks included, that the far end has not been seen to leave."""
        return [
            dialog.state for dialog in self._dialogs.values() if dialog.parting or not dialog.events.ended
        ]

    def __aiter__(self) -> AsyncIterator[Event]:
        return self.events.__aiter__()

    async def next_event(self) -> Event | None:
        """The next event, None once the call is over and all have been read."""
        return await self.events.next()

    async def start(self) -> None:
        """Resolves the hop and sends the INVITE; failing that, the call ends with a local 503."""
        self._await_word()
        try:
            hop, *self._targets = await self._stack.resolve_all(self.state.hop)
        except OSError:
            self.on_failure(Failure.TRANSPORT)
            return
        self._set_state(hop=self._chosen(hop))
        self._invite()

    def _chosen(self, hop: Hop) -> Hop:
        return self._stack.transport.choose(hop, len(write_message(self._request())) + 10)

    def _await_word(self) -> None:
        """Tells, or tries the next machine, when nobody has said anything for so long."""
        if self._patience is not None:
            self._silence = self._stack.scheduler.call_later(self._patience, self._on_silence)

    def _on_silence(self) -> None:
        if self._targets and self._transaction is not None and not self._canceling:
            self._left[self.state.attempt] = self.state
            self._try_next()
        else:
            self.events.push(Silent())

    def _try_next(self) -> None:
        """The same INVITE to the next machine behind the name (RFC 3263 §4.3)."""
        self._stack.targets.failed(self.state.hop)
        self._set_state(hop=self._chosen(self._targets.pop(0)), attempt=self.state.attempt + 1)
        self._await_word()
        self._invite()

    def _set_state(self, **changes: object) -> None:
        state = msgspec.structs.replace(self._prepared.state, **changes)
        self._prepared = msgspec.structs.replace(self._prepared, state=state)

    def _request(self) -> Request:
        request = invite_request(self._prepared, self._sdp, self._stack.name)
        if self._session_seconds:
            for name, value in wanted(self._session_seconds, self._min_se):
                request.headers.set(name, value)
        return request

    def _invite(self) -> None:
        request = self._request()
        self._authorizer.apply(request)
        self._provisional = self._cancel_sent = False
        listener = _Attempt(self, self.state.attempt)
        self._transaction = self._stack.transactions.request(request, self.state.hop, listener)

    async def cancel(self, reason: Reason | None = None) -> None:
        """Gives the call up. Before any provisional answer the CANCEL waits for one (RFC 3261 §9.1).

        `Failed` with cause `canceled` follows; also when the answer crosses, which is then acknowledged
        and hung up. Does nothing once the call is answered or over.
        """
        if self.dialog is None and not self.events.ended and not self._canceling:
            self._canceling, self._cancel = True, reason
            if self._provisional:
                self._send_cancel()

    async def bye(self, reason: Reason | None = None) -> int | None:
        """Hangs an answered call up: the status of the BYE, None if it was not answered or there is no call."""
        if self.dialog is None or self.events.ended:
            return None
        return await self.dialog.bye(reason)

    async def hang_up(self, reason: Reason | None = None) -> None:
        """`bye` or `cancel`, whichever fits."""
        if self.dialog is None:
            await self.cancel(reason)
        else:
            await self.bye(reason)

    def _send_cancel(self) -> None:
        if not self._cancel_sent:
            self._cancel_sent = True
            self._stack.spawn(self._cancel_exchange())
            self._cancel_deadline = self._stack.scheduler.call_later(
                self._stack.timers.transaction, self._canceled_without_answer
            )

    async def _cancel_exchange(self) -> None:
        request = cancel_request(self.state, str(self._cancel) if self._cancel else None)
        await self._stack.exchange(request, self.state.hop)

    def _canceled_without_answer(self) -> None:
        """64*T1 after the CANCEL and no 487: taken as cancelled all the same (RFC 3261 §9.1)."""
        if self._transaction is not None:
            self._transaction.terminate()
        self._fail(Failed(487, phrase(487), HangupCause.CANCELED, local=True))

    def _heard(self) -> None:
        if self._silence is not None:
            self._silence.cancel()

    def _fail(self, failed: Failed) -> None:
        self._heard()
        if self._cancel_deadline is not None:
            self._cancel_deadline.cancel()
        self._close_early()
        self.events.push(failed)

    def _close_early(self) -> None:
        for dialog in self._early.values():
            dialog.close()

    # What the transactions tell; `attempt` filters out answers to an INVITE that was challenged.

    def on_response(self, response: Arrival) -> None:
        self._heard()
        code = response.response.code
        if code < 200:
            self._on_provisional(response)
        elif code < 300:
            self._on_success(response)
        elif code == 503 and self._targets and not (self._canceling or self._alerted):
            self._try_next()
        elif not self._canceling and self._may_try_again(response):
            self._set_state(attempt=self.state.attempt + 1)
            self._invite()
        else:
            self._on_refusal(response)

    def _may_try_again(self, response: Arrival) -> bool:
        """Whether the INVITE goes out changed: with an answer to a challenge, or the interval of a 422."""
        if response.response.code in (401, 407):
            return self._authorizer.learn(response)
        if response.response.code != 422 or not self._min_se < (least := min_se(response)) < MAX_SE:
            return False
        self._session_seconds, self._min_se = max(self._session_seconds, least), least
        return True

    def _on_provisional(self, response: Arrival) -> None:
        self._provisional = True
        code, tag = response.response.code, response.to.tag
        rseq = rseq_of(response) if self.dialog is None else None
        if rseq is not None and not self._confirm(response, rseq):
            return
        if self._canceling:
            self._send_cancel()
        elif code > 100 and self.dialog is None:
            self._alerted = True
            if response.sdp is not None:
                self._early_sdp[tag or ""] = response.sdp
            self.events.push(
                Progress(
                    code, response.response.phrase, response.sdp, tag, response.header("Alert-Info") or None
                )
            )

    def _confirm(self, response: Arrival, rseq: int) -> bool:
        """Sends the PRACK of a reliable provisional. False: it is a repetition, or one before it is missing,
        and it must not be looked at (RFC 3262 §4)."""
        tag = response.to.tag or ""
        if tag in self._rseqs and rseq != self._rseqs[tag] + 1:
            return False
        self._rseqs[tag] = rseq
        if tag not in self._early:
            self._early[tag] = self._make_dialog(response, self.events)
        self._stack.spawn(self._prack(self._early[tag], response, rseq))
        return True

    async def _prack(self, dialog: CallDialog, response: Arrival, rseq: int) -> None:
        await dialog.locate(response.source)
        await dialog.prack(Rack(rseq, response.cseq, "INVITE"))

    def _make_dialog(self, response: Arrival, events: EventStream) -> CallDialog:
        assert self._transaction is not None
        source = response.source
        hop = source.fixed_hop if self.state.hop.fixed else source.hop
        state = dialog_of_caller(self._transaction.request, response, contact_of(self.state), hop)
        dialog = CallDialog(
            self._stack, state, events, local_sdp=self._sdp or None, authorizer=self._authorizer
        )
        dialog.on_offer = self._on_offer
        return dialog

    def _on_refusal(self, response: Arrival) -> None:
        code = response.response.code
        reasons = read_reasons(response.listed("Reason"))
        canceled = code == 487 and self._canceling
        retry_after = response.header("Retry-After").split("(")[0].split(";")[0].strip()
        self._fail(
            Failed(
                code,
                response.response.phrase,
                HangupCause.CANCELED if canceled else cause_of(code, reasons),
                reasons=reasons,
                contacts=_contacts(response) if code < 400 else (),
                retry_after=int(retry_after[:9]) if retry_after.isdecimal() else None,
            )
        )

    def on_failure(self, failure: Failure) -> None:
        if self._targets and not self._canceling:
            self._heard()
            self._try_next()
            return
        if self._transaction is not None:
            self._stack.targets.failed(self.state.hop)
        cause = HangupCause.CANCELED if self._canceling else cause_of(failure.code, local=True)
        self._fail(Failed(failure.code, phrase(failure.code), cause, local=True))

    def on_late(self, attempt: int, response: Arrival) -> None:
        """A machine that was taken for dead woke up, while another is asked: it is called off."""
        code = response.response.code
        if code < 200 and attempt in self._left and attempt not in self._called_off:
            self._called_off.add(attempt)
            self._stack.spawn(self._call_off(self._left[attempt]))
        elif code >= 200:
            self.forget(attempt)
            if code < 300:
                self._on_success(response, late=True)

    def forget(self, attempt: int) -> None:
        """Nothing more is to come of an attempt at a machine that was taken for dead."""
        self._left.pop(attempt, None)

    async def _call_off(self, state: InviteState) -> None:
        await self._stack.exchange(cancel_request(state), state.hop)
        self.forget(state.attempt)

    def _on_success(self, response: Arrival, *, late: bool = False) -> None:
        tag = response.to.tag or ""
        if tag not in self._dialogs:
            self._begin(response, tag, late=late)
        else:
            self._dialogs[tag].acknowledge_again()

    def _begin(self, response: Arrival, tag: str, *, late: bool) -> None:
        """The dialog of a 2xx: the first one is the call, others are forks that are hung up (§13.2.2.4)."""
        unwanted = late or self._canceling or self.dialog is not None or self.events.ended
        dialog = self._make_dialog(response, EventStream() if unwanted else self.events)
        dialog.hold_requests()
        if (early := self._early.get(tag)) is not None:
            dialog.succeed(early)
        if not unwanted:
            self.dialog = dialog
            self._close_early()
        self._dialogs[tag] = dialog
        self._stack.spawn(self._open(dialog, response, tag, unwanted=unwanted, late=late))

    async def _open(
        self, dialog: CallDialog, response: Arrival, tag: str, *, unwanted: bool, late: bool
    ) -> None:
        """Acknowledges it, and tells of it or hangs it up."""
        await dialog.locate(response.source)
        dialog.acknowledge(response.cseq)
        dialog.takes_update = "UPDATE" in response.listed("Allow")
        dialog.agree_session(terms_of_response(response))
        if unwanted:
            if self._canceling and not late:
                self._fail(Failed(487, phrase(487), HangupCause.CANCELED, local=True))
            dialog.take_requests()
            await dialog.bye(self._cancel)
        else:
            # An UPDATE since the reliable answer counts for more than a 200 that repeats that answer.
            dialog.remote_sdp = dialog.remote_sdp or response.sdp or self._early_sdp.get(tag)
            self.events.push(Answered(dialog.remote_sdp, dialog.state))
            dialog.take_requests()


class _Attempt:
    """The listener of one INVITE transaction: only the last attempt still counts."""

    def __init__(self, call: OutboundCall, number: int) -> None:
        self._call = call
        self._number = number

    def on_response(self, response: Arrival) -> None:
        if self._call.state.attempt == self._number:
            self._call.on_response(response)
        else:
            self._call.on_late(self._number, response)

    def on_failure(self, failure: Failure) -> None:
        if self._call.state.attempt == self._number:
            self._call.on_failure(failure)
        else:
            self._call.forget(self._number)


def _contacts(response: Arrival) -> tuple[str, ...]:
    """The URIs of a 3xx, the liked ones first (q, RFC 3261 §20.10), as they came where it does not say."""
    found: list[tuple[float, str]] = []
    for value in response.listed("Contact"):
        with contextlib.suppress(MalformedAddress):
            contact = NameAddr.parse(value)
            quality = re.fullmatch(r"[01](?:\.[0-9]{0,3})?", contact.params.get("q", ""))
            SipUri.parse(contact.uri)
            found.append((float(quality[0]) if quality else 1.0, contact.uri))
    return tuple(uri for _, uri in sorted(found, key=lambda item: -item[0]))
