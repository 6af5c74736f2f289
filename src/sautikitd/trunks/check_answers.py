"""What a carrier's answers to OPTIONS and REGISTER say about the trunk, the clocks and our address."""

from collections.abc import Iterator
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime

from sautikitd.trunks.findings import Finding, OurSide, Verdict
from sautikitd.trunks.models import Trunk
from sautikitd.voice.sip.address import is_ip, is_private
from sautikitd.voice.sip.digest import read_challenges
from sautikitd.voice.sip.stack import Outcome
from sautikitd.voice.sip.wire import Arrival, MalformedMessage, header_list, read_via

_SKEW_S = 120
_CHALLENGES = (401, 407)


def of_options(trunk: Trunk, outcome: Outcome, seconds: float) -> Finding:
    """Any answer means that somebody is there; a 403 that he does not want us."""
    said = f"{outcome.code} {outcome.reason}".strip() + f" to OPTIONS in {seconds * 1000:.0f} ms"
    if outcome.code == 403:
        return Finding(
            step="answer",
            verdict=Verdict.WRONG,
            found=f"It is there but refuses us: {said}.",
            cure="The carrier has to allow this machine's public address.",
        )
    if outcome.code in _CHALLENGES and not trunk.username:
        return Finding(
            step="answer",
            verdict=Verdict.WRONG,
            found=f"It is there and wants a username and password, which this trunk has not: {said}.",
            cure="Give them: sautikitd trunk edit NAME --username … --password-stdin.",
        )
    if outcome.code in _CHALLENGES:
        return Finding(step="answer", found=f"It is there and asks who we are, as it should: {said}.")
    if outcome.code // 100 == 5:
        return Finding(
            step="answer",
            verdict=Verdict.WARNING,
            found=f"It is there, but not well: {said}.",
            cure="If calls fail too, ask the carrier whether this trunk is in service.",
        )
    return Finding(step="answer", found=f"It is there: {said}.")


def of_credentials(trunk: Trunk, first: Outcome, second: Outcome | None) -> Finding:
    """Of a REGISTER that asks for our bindings and changes none (RFC 3261 §10.2.3): `first` without, `second` with the
    answer to its challenge."""
    realms = _realms(first)
    where = f" in the realm “{realms}”" if realms else ""
    last = second or first
    said = f"{last.code} {last.reason}".strip()
    if last.ok:
        proved = f"takes username {trunk.username}{where}" if second else "knows us without a password"
        return Finding(step="account", found=f"The carrier {proved}.")
    if last.response is None:
        return _account(trunk, "No answer to REGISTER.", "Is registration done at another host or port?")
    if second is None and first.code in _CHALLENGES:
        return _account(
            trunk,
            f"It wants a password{where}, and this trunk has none.",
            "Give it: sautikitd trunk edit NAME --username … --password-stdin.",
        )
    if second and (second.code in _CHALLENGES or second.code == 403):
        return _account(
            trunk,
            f"It refuses username {trunk.username}{where}: {said}.",
            "A wrong password or username. Some carriers want a user of their own for authentication: ask which one, "
            "and whether it is the number with or without 254.",
        )
    if first.code == 403:
        return _account(
            trunk,
            f"It refuses us before asking for a password: {said}.",
            "This machine's address is not allowed, the account is closed, or the domain is another "
            "(--from-domain).",
        )
    if last.code == 404:
        return _account(
            trunk,
            f"It does not know {trunk.from_user or trunk.username}: {said}.",
            "Is the number written as the carrier has it (--from-user), and the domain (--from-domain)?",
        )
    if last.code in (405, 501):
        return _account(trunk, f"It takes no registrations: {said}.", "Use --no-register.")
    return Finding(
        step="account",
        verdict=Verdict.WARNING,
        found=f"It answered {said} to REGISTER{where}.",
        cure="Look at the trunk's state after a minute: sautikitd trunk list.",
    )


def of_our_address(carrier: str, response: Arrival, ours: OurSide) -> Finding:
    """The address we advertise against the one the carrier saw us come from (`received`, RFC 3581 §4)."""
    seen = _seen_at(response)
    if is_private(ours.advertised) and not is_private(carrier):
        return Finding(
            step="our address",
            verdict=Verdict.WRONG,
            found=f"We advertise {ours.advertised}, a private address that the carrier cannot send to.",
            cure=f"Set SAUTIKIT_SIP_ADVERTISE={seen or 'YOUR_PUBLIC_ADDRESS'}, and forward the SIP and RTP ports to this "
            "machine.",
        )
    if seen and is_ip(ours.advertised) and seen != ours.advertised:
        return Finding(
            step="our address",
            verdict=Verdict.WARNING,
            found=f"The carrier sees us at {seen}, and we advertise {ours.advertised}.",
            cure="Sound may go one way only. If there is a NAT, set SAUTIKIT_SIP_ADVERTISE to the address it sees.",
        )
    return Finding(
        step="our address", found=f"We advertise {ours.advertised}" + (", as it sees us." if seen else ".")
    )


def of_clock(response: Arrival) -> Iterator[Finding]:
    """The carrier's Date (RFC 3261 §20.17) against ours, where it sends one."""
    try:
        theirs = parsedate_to_datetime(response.header("Date"))
    except ValueError:
        return
    theirs = theirs if theirs.tzinfo else theirs.replace(tzinfo=UTC)
    skew = (datetime.now(UTC) - theirs).total_seconds()
    if abs(skew) > _SKEW_S:
        yield Finding(
            step="clock",
            verdict=Verdict.WARNING,
            found=f"Our clock is {abs(skew):.0f} s {'ahead of' if skew > 0 else 'behind'} the carrier's.",
            cure="Is NTP running here (timedatectl)? Billing and TLS need the right time.",
        )


def _account(trunk: Trunk, found: str, cure: str) -> Finding:
    """Wrong for a trunk that registers; for one that only might be challenged it is a warning."""
    verdict = Verdict.WRONG if trunk.register else Verdict.WARNING
    return Finding(step="account", verdict=verdict, found=found, cure=cure)


def _realms(outcome: Outcome) -> str:
    if outcome.response is None:
        return ""
    header = "Proxy-Authenticate" if outcome.code == 407 else "WWW-Authenticate"
    values = list(outcome.response.message.headers.getlist(header))
    return ", ".join(dict.fromkeys(one.realm for one in read_challenges(values, proxy=outcome.code == 407)))


def _seen_at(response: Arrival) -> str:
    try:
        return read_via(header_list(response.message, "Via")[0]).params.get("received", "")
    except (MalformedMessage, IndexError):
        return ""
