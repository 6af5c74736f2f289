"""Ending calls that another process began, from what it had stored."""

import msgspec

from sautikitd.voice.sip.authorization import Authorizer
from sautikitd.voice.sip.call_dialog import CallDialog
from sautikitd.voice.sip.causes import Reason
from sautikitd.voice.sip.client_transaction import Failure
from sautikitd.voice.sip.dialog import DialogState, dialog_of_caller
from sautikitd.voice.sip.digest import Credentials
from sautikitd.voice.sip.events import EventStream
from sautikitd.voice.sip.invites import (
    InviteState,
    PreparedInvite,
    cancel_request,
    contact_of,
    invite_request,
)
from sautikitd.voice.sip.stack import SipStack
from sautikitd.voice.sip.wire import Arrival

_ATTEMPTS_AHEAD = 2  # challenges that may have been answered since the state was stored
_CSEQ_AHEAD = 16  # requests the lost process may have sent in the dialog since then


async def bye_detached(
    stack: SipStack, state: DialogState, credentials: Credentials | None, reason: Reason | None
) -> int | None:
    """The CSeq jumps ahead: it must be above that of any request the first owner sent (RFC 3261 §12.2.2)."""
    ahead = msgspec.structs.replace(state, local_cseq=state.local_cseq + _CSEQ_AHEAD)
    authorizer = Authorizer(credentials) if credentials is not None else None
    return await CallDialog(stack, ahead, EventStream(), authorizer=authorizer).bye(reason)


async def cancel_detached(stack: SipStack, state: InviteState, reason: Reason | None) -> int | None:
    """Tries every machine behind the name of its hop, since any may have been asked."""
    try:
        targets = await stack.resolve_all(state.hop)
    except OSError:
        return None
    code: int | None = None
    for hop in targets:
        answer = await _cancel_at(stack, msgspec.structs.replace(state, hop=hop), reason)
        code = answer if answer is not None else code
        if code is not None and code != 481:
            break
    return code


async def _cancel_at(stack: SipStack, state: InviteState, reason: Reason | None) -> int | None:
    """Tries the attempt stored and those that challenges may have made since, the latest first."""
    code: int | None = None
    for attempt in range(state.attempt + _ATTEMPTS_AHEAD, 0, -1):
        orphan = _OrphanInvite(stack, state.at(attempt))
        outcome = await stack.exchange(
            cancel_request(state.at(attempt), str(reason) if reason else None), state.hop
        )
        code = outcome.code if outcome.response is not None else None
        if code != 481:
            return code
        orphan.forget()
    return code


class _OrphanInvite:
    """Stands in for the INVITE that was cancelled, so that its final answer is acknowledged."""

    def __init__(self, stack: SipStack, state: InviteState) -> None:
        self._stack = stack
        self._state = state
        self._request = invite_request(PreparedInvite(state=state), b"", stack.name)
        self._dialogs: dict[str, CallDialog] = {}
        self._transaction = stack.transactions.adopt(self._request, state.hop, self)

    def forget(self) -> None:
        self._transaction.terminate()

    def on_failure(self, failure: Failure) -> None:
        """Nothing answered the INVITE any more: then there is nothing to acknowledge."""

    def on_response(self, response: Arrival) -> None:
        if not 200 <= response.response.code < 300:
            return
        tag = response.to.tag or ""
        if tag in self._dialogs:
            self._dialogs[tag].acknowledge_again()
            return
        state = dialog_of_caller(self._request, response, contact_of(self._state), response.source.hop)
        self._dialogs[tag] = CallDialog(self._stack, state, EventStream())
        self._stack.spawn(self._hang_up(self._dialogs[tag], response))

    async def _hang_up(self, dialog: CallDialog, response: Arrival) -> None:
        await dialog.locate(response.source)
        dialog.acknowledge(response.cseq)
        await dialog.bye()
