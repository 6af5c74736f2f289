"""REFER (RFC 3515): the far end asks us to call somebody else, and is told by NOTIFY what became of it."""

import re
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field

from sautikitd.voice.sip.address import MalformedAddress, NameAddr, SipUri
from sautikitd.voice.sip.phrases import phrase
from sautikitd.voice.sip.wire import Arrival

ACCEPTED, DECLINED = 202, 603
SIPFRAG = "message/sipfrag;version=2.0"
_DIALLABLE = re.compile(r"\+?[0-9*#().-]+")

Notify = Callable[[bytes, str], Awaitable[None]]
"""Sends a NOTIFY of the subscription that the REFER made: its body, and its Subscription-State."""


class UnusableReferral(ValueError):
    """A REFER that we do not follow; the message says why."""


@dataclass(frozen=True)
class Referral:
    """One REFER, which must be answered: `accept` or `refuse`, once. `target` is a number as it was written, or a SIP URI."""

    target: str
    respond: Callable[[int], None] = field(repr=False)
    notify: Notify = field(repr=False)

    async def accept(self) -> None:
        """202, and the first NOTIFY, which RFC 3515 §2.4.4 wants at once."""
        self.respond(ACCEPTED)
        await self.notify(_sipfrag(100), "active;expires=180")

    def refuse(self, code: int = DECLINED) -> None:
        self.respond(code)

    async def finish(self, code: int) -> None:
        """How the call to the target went, by its SIP status; the last NOTIFY."""
        await self.notify(_sipfrag(code), "terminated;reason=noresource")


def target_of(request: Arrival) -> str:
    """Whom a REFER names. Raises `UnusableReferral`: for none or several, for what is no address, for another method
    than INVITE, and for Replaces (RFC 3891), by which calls of ours would be joined behind the flow's back."""
    named = request.listed("Refer-To")
    if len(named) != 1:
        raise UnusableReferral("exactly one Refer-To is wanted")
    try:
        text = NameAddr.parse(named[0]).uri
        address, _, headers = text.partition("?")
        uri = SipUri.parse(address)
    except MalformedAddress as error:
        raise UnusableReferral(str(error)) from error
    if headers:
        raise UnusableReferral("a Refer-To with headers, Replaces among them, is not followed")
    if uri.options.get("method", "INVITE").upper() != "INVITE":
        raise UnusableReferral("only calls can be referred")
    user = uri.user or ""
    return user if _DIALLABLE.fullmatch(user) else address


def _sipfrag(code: int) -> bytes:
    return f"SIP/2.0 {code} {phrase(code)}\r\n".encode()
