"""What a REGISTER asks for, and how it is answered (RFC 3261 §10.3; RFC 5626 as far as browsers go)."""

from collections.abc import Sequence

import msgspec
from sipmessage import Response

from sautikitd.voice.sip.address import MalformedAddress, NameAddr, SipUri
from sautikitd.voice.sip.stack import new_tag
from sautikitd.voice.sip.transactions import reply
from sautikitd.voice.sip.wire import Arrival

SHORTEST_SECONDS = 60
LONGEST_SECONDS = 3600
DEFAULT_SECONDS = 600  # where the device does not say: RFC 3261 §10.2.1.1 leaves it to us
MAX_CONTACTS = 10
_FOREVER = 2**32 - 1


class RegisterRefused(Exception):
    """`code` answers it: 400 for what cannot be read, 423 for a time too short."""

    def __init__(self, code: int) -> None:
        super().__init__(code)
        self.code = code


class RegisterContact(msgspec.Struct, frozen=True, kw_only=True):
    """One Contact of a REGISTER. `seconds` 0 removes it; they are capped at an hour.

    `device` is the same for the same device: instance and flow (RFC 5626 §6), else the URI itself.
    """

    uri: str
    device: str
    seconds: int


class Register(msgspec.Struct, frozen=True, kw_only=True):
    """`remove_all` is `Contact: *`. Without contacts it only asks. `outbound`: flows of RFC 5626 are used."""

    contacts: tuple[RegisterContact, ...] = ()
    remove_all: bool = False
    outbound: bool = False


def read_register(request: Arrival) -> Register:
    """Raises `RegisterRefused`."""
    values = request.listed("Contact")
    default = _seconds(request.header("Expires"), DEFAULT_SECONDS)
    if "*" in (value.strip() for value in values):
        if len(values) != 1 or request.header("Expires").strip() != "0":
            raise RegisterRefused(400)
        return Register(remove_all=True)
    if len(values) > MAX_CONTACTS:
        raise RegisterRefused(400)
    outbound = "outbound" in (tag.lower() for tag in request.listed("Supported"))
    contacts = tuple(_contact(value, default, outbound=outbound) for value in values)
    return Register(contacts=contacts, outbound=outbound and any(one.device != one.uri for one in contacts))


def _contact(value: str, default: int, *, outbound: bool) -> RegisterContact:
    try:
        contact = NameAddr.parse(value)
        if SipUri.parse(contact.uri).scheme not in ("sip", "sips"):
            raise RegisterRefused(400)
    except MalformedAddress as error:
        raise RegisterRefused(400) from error
    seconds = _seconds(contact.params.get("expires", ""), default)
    if 0 < seconds < SHORTEST_SECONDS:
        raise RegisterRefused(423)
    instance, flow = contact.params.get("+sip.instance"), contact.params.get("reg-id")
    device = f"{instance} {flow}" if outbound and instance and flow else contact.uri
    return RegisterContact(uri=contact.uri, device=device[:300], seconds=min(seconds, LONGEST_SECONDS))


def _seconds(text: str, default: int) -> int:
    text = text.strip()
    return min(int(text), _FOREVER) if text.isascii() and text.isdecimal() and len(text) <= 10 else default


def accepted(
    request: Arrival, asked: Register, bindings: Sequence[tuple[str, int]], *, allow: str
) -> Response:
    """200 with all that is registered now: Contact URI and the seconds left of each."""
    response = reply(request, 200, to_tag=new_tag())
    response.headers.setlist("Contact", [f"<{uri}>;expires={seconds}" for uri, seconds in bindings])
    response.headers.set("Allow", allow)
    if asked.outbound:
        response.headers.set("Require", "outbound")  # RFC 5626 §6: flows are used
    return response


def refused(request: Arrival, code: int, *, retry_after: int | None = None) -> Response:
    """423 says how long is long enough (RFC 3261 §10.2.8); 503 when to come again."""
    response = reply(request, code, to_tag=new_tag())
    if code == 423:
        response.headers.set("Min-Expires", str(SHORTEST_SECONDS))
    if retry_after is not None:
        response.headers.set("Retry-After", str(retry_after))
    return response
