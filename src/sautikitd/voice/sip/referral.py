"""REFER (RFC 3515): the far end asks us to call somebody else, and is told by NOTIFY what became of it.

With Replaces (RFC 3891) in the Refer-To it is an attended transfer (RFC 5589 §7): the far end talks to somebody else in
a second dialog with us, and wants the two put together.
"""

import re
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from urllib.parse import parse_qsl

from sautikitd.voice.sip.address import MalformedAddress, NameAddr, SipUri
from sautikitd.voice.sip.dialog import DialogKey
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
class Wanted:
    """What a REFER names. `target` is a number as it was written, or a SIP URI; `replaces` the dialog of ours whose other
    party is meant."""

    target: str
    replaces: DialogKey | None = None


@dataclass(frozen=True)
class Referral:
    """One REFER, which must be answered: `accept` or `refuse`, once."""

    wanted: Wanted
    respond: Callable[[int], None] = field(repr=False)
    notify: Notify = field(repr=False)

    @property
    def target(self) -> str:
        return self.wanted.target

    @property
    def replaces(self) -> DialogKey | None:
        return self.wanted.replaces

    async def accept(self) -> None:
        """202, and the first NOTIFY, which RFC 3515 §2.4.4 wants at once."""
        self.respond(ACCEPTED)
        await self.notify(_sipfrag(100), "active;expires=180")

    def refuse(self, code: int = DECLINED) -> None:
        self.respond(code)

    async def finish(self, code: int) -> None:
        """How the call to the target went, by its SIP status; the last NOTIFY."""
        await self.notify(_sipfrag(code), "terminated;reason=noresource")


def wanted_by(request: Arrival) -> Wanted:
    """Whom a REFER names. Raises `UnusableReferral`: for none or several, for what is no address, for another method
    than INVITE, and for headers other than Replaces."""
    named = request.listed("Refer-To")
    if len(named) != 1:
        raise UnusableReferral("exactly one Refer-To is wanted")
    try:
        text = NameAddr.parse(named[0]).uri
        address, _, headers = text.partition("?")
        uri = SipUri.parse(address)
    except MalformedAddress as error:
        raise UnusableReferral(str(error)) from error
    if uri.options.get("method", "INVITE").upper() != "INVITE":
        raise UnusableReferral("only calls can be referred")
    user = uri.user or ""
    target = user if _DIALLABLE.fullmatch(user) else address
    return Wanted(target, _replaced(headers) if headers else None)


def _replaced(headers: str) -> DialogKey:
    """The dialog that the headers of a Refer-To URI name, as we know it: their `to-tag` is our tag (RFC 3891 §3)."""
    fields = [(name.lower(), value) for name, value in parse_qsl(headers.replace("+", "%2B"))]
    values = [value for name, value in fields if name == "replaces"]
    others = {(name, value.strip().lower()) for name, value in fields if name != "replaces"}
    if len(values) != 1 or others - {("require", "replaces")}:
        raise UnusableReferral("of the headers of a Refer-To only Replaces is followed")
    call_id, *parameters = (part.strip() for part in values[0].split(";"))
    tags = dict(parameter.partition("=")[::2] for parameter in parameters)
    if not (call_id and tags.get("to-tag") and tags.get("from-tag")) or "early-only" in tags:
        raise UnusableReferral("a Replaces names an answered dialog by Call-ID and both tags")
    return call_id, tags["to-tag"], tags["from-tag"]


def _sipfrag(code: int) -> bytes:
    return f"SIP/2.0 {code} {phrase(code)}\r\n".encode()
