"""What `trunk add` and `trunk edit` have in common: the options that say what a trunk is, and what they make of its terms."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import click

_OPTIONS: tuple[Callable[[Any], Any], ...] = (
    click.option("--port", type=int, help="Default 5060, with tls 5061."),
    click.option(
        "--srv/--no-srv",
        default=None,
        help="Ask DNS for the SRV records of its name; default so where no port is given.",
    ),
    click.option(
        "--transport", type=click.Choice(["udp", "tcp", "tls"]), help="Default udp. TLS is always verified."
    ),
    click.option("--proxy", metavar="HOST[:PORT]", help="Outbound proxy that requests are sent to instead."),
    click.option(
        "--tls-ca",
        type=click.Path(exists=True, dir_okay=False, path_type=Path),
        help="Who vouches for it, PEM; default those the system trusts.",
    ),
    click.option("--tls-name", help="Name that its certificate proves, where that is not the host."),
    click.option(
        "--media-encryption",
        type=click.Choice(["none", "optional", "sdes"]),
        help="SRTP: never (default), where it takes it, or always. With tls, or the keys are for all to see.",
    ),
    click.option("--codecs", help="PCMA, PCMU, G722, opus in order of preference, with commas."),
    click.option("--register/--no-register", default=None, help="Register, so that the carrier can find us."),
    click.option(
        "--ping/--no-ping", default=None, help="Ask by OPTIONS how it is (default); some never answer that."
    ),
    click.option(
        "--from-user", help="Fixed user of From; the caller then stands in P-Asserted-Identity alone."
    ),
    click.option("--from-domain", help="Domain of From and of the registration; default ours and the host."),
    click.option(
        "--source", "sources", multiple=True, metavar="CIDR", help="Further addresses its calls come from."
    ),
    click.option("--priority", type=int, help="0 to 1000, the lowest goes first; default 10."),
    click.option("--weight", type=int, help="Share among trunks of one priority, 1 to 1000; default 1."),
    click.option(
        "--prefix",
        "prefixes",
        multiple=True,
        metavar="DIGITS",
        help="Only numbers that begin so, like 25471. The longest match goes first. Default all.",
    ),
    click.option(
        "--max-channels", type=int, help="Calls at once, both ways, over all nodes; default no cap."
    ),
    click.option("--max-cps", type=float, help="New calls a second, over all nodes; default no cap."),
    click.option(
        "--called-form",
        type=click.Choice(["plus", "digits", "national"]),
        help="How it wants the called number: +254712345678 (default), 254712345678 or 0712345678.",
    ),
    click.option(
        "--called-prefix", metavar="DIGITS", help="Digits it wants before the called number (tech prefix)."
    ),
    click.option(
        "--caller-form", type=click.Choice(["plus", "digits", "national"]), help="The same for the caller's."
    ),
    click.option(
        "--inbound-number",
        type=click.Choice(["request_uri", "to", "p_called_party_id"]),
        help="Where it writes the number called; default request_uri.",
    ),
)

CLEARABLE: dict[str, dict[str, Any]] = {
    "proxy": {"proxy_host": None, "proxy_port": None},
    "tls-ca": {"tls_ca": None},
    "tls-name": {"tls_name": None},
    "from-user": {"from_user": None},
    "from-domain": {"from_domain": None},
    "sources": {"source_cidrs": ()},
    "prefixes": {"prefixes": ()},
    "max-channels": {"max_channels": None},
    "max-cps": {"max_cps": None},
    "called-prefix": {"called_prefix": ""},
    "username": {"username": None, "register": False},
}
"""What `trunk edit --clear` takes back, and what is then so."""


def terms_options(command: Callable[..., Any]) -> Callable[..., Any]:
    """Adds the options; a command takes them as `**given`."""
    for option in reversed(_OPTIONS):
        command = option(command)
    return command


def terms_of(given: dict[str, Any], *, transport: str | None = None) -> dict[str, Any]:
    """Fields of `TrunkTerms` from the options that were given. `transport` is the trunk's, where no option says so."""
    from sautikitd.trunks.models import InboundNumber, Transport
    from sautikitd.voice.media_encryption import MediaEncryption
    from sautikitd.voice.number_forms import NumberForm

    terms = {name: value for name, value in given.items() if value not in (None, ())}
    readers: dict[str, Callable[[Any], Any]] = {
        "transport": Transport,
        "media_encryption": MediaEncryption,
        "called_form": NumberForm,
        "caller_form": NumberForm,
        "inbound_number": InboundNumber,
        "codecs": _codecs,
        "tls_ca": lambda path: path.read_text(errors="replace"),
    }
    for name, read in readers.items():
        if name in terms:
            terms[name] = read(terms[name])
    if "sources" in terms:
        terms["source_cidrs"] = terms.pop("sources")
    if "port" in terms:
        terms.setdefault("srv", False)
    if "proxy" in terms:
        secure = terms.get("transport", transport) == Transport.TLS
        terms.setdefault("srv", False)  # a proxy is a machine, not a domain, unless --srv says otherwise
        terms["proxy_host"], terms["proxy_port"] = _place(terms.pop("proxy"), 5061 if secure else 5060)
    return terms


def _place(text: str, default_port: int) -> tuple[str, int]:
    """`host`, `host:port`, `[ipv6]` or `[ipv6]:port`."""
    host, bracket, rest = text.removeprefix("[").partition("]")
    if not bracket:
        host, colon, rest = text.rpartition(":")
        if not colon or ":" in host:  # no port, or a bare IPv6 address
            return text, default_port
        rest = f":{rest}"
    if not rest:
        return host, default_port
    if not rest[1:].isdecimal():
        raise click.UsageError(f"--proxy takes HOST or HOST:PORT, not {text}.")
    return host, int(rest[1:])


def _codecs(text: str) -> tuple[Any, ...]:
    from sautikitd.trunks.models import Codec

    known = {codec.value.lower(): codec for codec in Codec}
    names = [part.strip().lower() for part in text.split(",") if part.strip()]
    if unknown := [name for name in names if name not in known]:
        raise click.UsageError(f"--codecs takes PCMA, PCMU, G722 and opus, with commas, not {unknown[0]}.")
    return tuple(known[name] for name in names)
