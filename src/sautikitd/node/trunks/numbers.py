"""Who is called and who calls, read from an INVITE in whatever form its trunk writes numbers."""

from sautikitd.numbering.parse import TelephoneNumber, parse_number
from sautikitd.numbering.problems import BadNumber
from sautikitd.trunks.models import InboundNumber, Trunk
from sautikitd.voice.sip.address import MalformedAddress, NameAddr, number_in
from sautikitd.voice.sip.inbound import InboundCall


def called_number(sip: InboundCall, trunk: Trunk | None) -> TelephoneNumber | None:
    """The number that was called, from where the trunk writes it; None when there is no number there.

    Carriers that send calls to the registered account put only its user into the Request-URI; the number then stands
    in To, or in P-Called-Party-ID (RFC 7315 §4.2). Each of those falls back to the one before it.
    """
    place = trunk.inbound_number if trunk else InboundNumber.REQUEST_URI
    candidates = [sip.called]
    if place is not InboundNumber.REQUEST_URI:
        candidates.insert(0, number_in(sip.to.user))
    if place is InboundNumber.P_CALLED_PARTY_ID:
        candidates.insert(0, _user_of(sip.header("P-Called-Party-ID")))
    for text in candidates:
        parsed = parse_number(text)
        if not isinstance(parsed, BadNumber):
            return parsed
    return None


def caller_of(sip: InboundCall) -> tuple[str, str | None]:
    """Who calls, as E.164 where it is a number, and his country; `anonymous` when he hides it.

    Inbound calls come from trusted trunks only, so their P-Asserted-Identity goes before From (RFC 3325).
    """
    for address in (*sip.asserted_identity, sip.from_):
        parsed = parse_number(number_in(address.user))
        if not isinstance(parsed, BadNumber):
            return parsed.e164, parsed.country
    return number_in(sip.from_.user)[:64] or "anonymous", None


def _user_of(value: str | None) -> str:
    if not value:
        return ""
    try:
        return number_in(NameAddr.parse(value).user)
    except MalformedAddress:
        return ""
