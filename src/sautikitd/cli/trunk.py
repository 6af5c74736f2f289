"""`sautikitd trunk add | list | show | edit | check | remove`."""

import os
import sys
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import click

from sautikitd.cli.command import Commands, Invocation, found_something, subcommand
from sautikitd.cli.exits import Exit, Failure
from sautikitd.cli.show import show_fields, show_table
from sautikitd.cli.trunk_options import CLEARABLE, terms_of, terms_options

if TYPE_CHECKING:
    from sautikitd.trunks.models import Trunk

PASSWORD_VARIABLE = "SAUTIKIT_TRUNK_PASSWORD"


def _identity_options(command: Callable[..., Any]) -> Callable[..., Any]:
    for option in (
        click.option("--password-stdin", is_flag=True, help="Read the password from standard input."),
        click.option(
            "--password", help=f"Better: --password-stdin, or {PASSWORD_VARIABLE}: others may see arguments."
        ),
        click.option(
            "--username", help="For digest authentication; without it the carrier knows us by our address."
        ),
    ):
        command = option(command)
    return command


@click.group(cls=Commands)
def trunk() -> None:
    """SIP trunks: where live calls leave and arrive."""


@trunk.command()
@click.argument("name")
@click.option("--host", required=True, help="The carrier's host name or IP address.")
@_identity_options
@terms_options
@subcommand()
async def add(
    invocation: Invocation,
    name: str,
    host: str,
    username: str | None,
    password: str | None,
    password_stdin: bool,
    **given: Any,
) -> None:
    """Add a trunk. Voice nodes use it at once.

    \b
    By address, as most carriers do it:
      sautikitd trunk add safaricom --host 192.0.2.10 --called-form digits --max-channels 30
    By registration:
      echo "$PASSWORD" | sautikitd trunk add ke-voip --host sip.example.co.ke --username 254200000001 \\
          --password-stdin --register --called-form national --inbound-number to
    Encrypted, as the second choice for Airtel's numbers:
      sautikitd trunk add backup --host sip.example.net --transport tls --media-encryption sdes \\
          --prefix 25473 --prefix 25478 --priority 20
    """
    from sautikitd.cli.trunk_changes import changing_trunks
    from sautikitd.identity.audit import OPERATOR
    from sautikitd.trunks.models import NewTrunk
    from sautikitd.voice.sip.address import is_ip

    terms = terms_of(given)
    terms.setdefault("srv", not is_ip(host))
    terms.setdefault("port", 5061 if terms.get("transport") == "tls" else 5060)
    secret = _password(password, password_stdin) if username else password
    new = NewTrunk(name=name, host=host, username=username, password=secret, **terms)
    async with changing_trunks(invocation.settings) as (platform, connection):
        added = await platform.trunks.add(connection, new, OPERATOR, platform.clock.now())

    def show() -> None:
        click.echo(f"Added trunk {added.name}. Try it with: sautikitd trunk check {added.name}")

    invocation.result({"trunk": added}, show)


@trunk.command()
@click.argument("name")
@click.option("--host", help="The carrier's host name or IP address.")
@_identity_options
@terms_options
@click.option(
    "--clear", multiple=True, type=click.Choice(sorted(CLEARABLE)), help="Take back what was said before."
)
@click.option("--enable/--disable", "enabled", default=None, help="Into service, or out of it.")
@subcommand()
async def edit(
    invocation: Invocation,
    name: str,
    username: str | None,
    password: str | None,
    password_stdin: bool,
    clear: tuple[str, ...],
    **given: Any,
) -> None:
    """Change a trunk. What is not named stays; calls that run keep the way they went.

    \b
    sautikitd trunk edit safaricom --max-channels 60 --max-cps 5
    sautikitd trunk edit backup --clear prefixes --priority 30
    sautikitd trunk edit ke-voip --disable
    """
    import msgspec

    from sautikitd.cli.trunk_changes import changing_trunks
    from sautikitd.identity.audit import OPERATOR

    secret: str | msgspec.UnsetType | None = msgspec.UNSET
    if password or password_stdin or (username and os.environ.get(PASSWORD_VARIABLE)):
        secret = _password(password, password_stdin)
    elif "username" in clear:
        secret = None
    if username:
        given["username"] = username
    cleared = {field: value for name in clear for field, value in CLEARABLE[name].items()}
    async with changing_trunks(invocation.settings) as (platform, connection):
        edited = await platform.trunks.edit(
            connection,
            name,
            lambda terms: msgspec.structs.replace(
                terms, **cleared, **terms_of(given, transport=terms.transport)
            ),
            OPERATOR,
            platform.clock.now(),
            password=secret,
        )
    invocation.result({"trunk": edited}, lambda: show_fields(f"Changed trunk {edited.name}", _shown(edited)))


@trunk.command("list")
@subcommand()
async def list_(invocation: Invocation) -> None:
    """List the trunks, with what the voice nodes last saw of each.

    \b
    sautikitd trunk list
    """
    from sautikitd.cli.installation import installation

    async with installation(invocation.settings) as platform, platform.database.connection() as connection:
        trunks = await platform.trunks.all(connection)
    rows = [
        (
            t.name,
            f"{t.transport}:{t.host}:{t.port}",
            t.username or "by address",
            t.priority,
            ", ".join(t.prefixes) or "all",
            t.state if t.enabled else "disabled",
            t.state_detail,
        )
        for t in trunks
    ]
    columns = ("Name", "Where", "Known as", "Priority", "Numbers", "State", "")
    empty = "There are no trunks: live calls have no way out. Add one with `sautikitd trunk add`."
    invocation.result({"trunks": trunks}, lambda: show_table(columns, rows, empty=empty))


@trunk.command()
@click.argument("name")
@subcommand()
async def show(invocation: Invocation, name: str) -> None:
    """Show a trunk with all its terms, its state, and the live calls it carries.

    \b
    sautikitd trunk show safaricom
    """
    from sautikitd.cli.installation import installation

    async with installation(invocation.settings) as platform, platform.database.connection() as connection:
        found = await platform.trunks.find(connection, name)
        live = await platform.trunks.live_calls(connection, found.id)
    fields = {**_shown(found), "live calls": live}
    invocation.result({"trunk": found, "live_calls": live}, lambda: show_fields(found.name, fields))


@trunk.command()
@click.argument("name")
@subcommand()
async def check(invocation: Invocation, name: str) -> None:
    """Try a trunk step by step, and explain what is wrong: exit code 1 then.

    Its name in DNS, the TCP connection and the TLS certificate, SIP OPTIONS, what the carrier says to our username and
    password (without registering), both clocks, and whether the address that we advertise is one it can reach.

    \b
    sautikitd trunk check safaricom
    """
    from sautikitd.cli.installation import installation
    from sautikitd.trunks.check import check_trunk
    from sautikitd.trunks.findings import Verdict

    async with installation(invocation.settings) as platform, platform.database.connection() as connection:
        found = await platform.trunks.find(connection, name)
        password = await platform.trunks.password(connection, found.id)
    outcome = await check_trunk(found, password=password, ours=_our_side(invocation))

    def tell() -> None:
        click.secho(f"{found.name}  {found.transport}:{found.host}:{found.port}", bold=True)
        colours = {Verdict.OK: "green", Verdict.WARNING: "yellow", Verdict.WRONG: "red"}
        width = max(len(finding.step) for finding in outcome.findings)
        for finding in outcome.findings:
            mark = click.style(finding.verdict.value.ljust(7), fg=colours[finding.verdict])
            click.echo(f"  {mark}  {finding.step.ljust(width)}  {finding.found}")
            if finding.cure:
                click.echo(f"  {' ' * (9 + width)}  {finding.cure}")

    invocation.result({"check": outcome}, tell)
    if not outcome.ok:
        found_something()


@trunk.command()
@click.argument("name")
@subcommand()
async def remove(invocation: Invocation, name: str) -> None:
    """Remove a trunk. Refused while calls run over it.

    \b
    sautikitd trunk remove backup
    """
    from sautikitd.cli.trunk_changes import changing_trunks
    from sautikitd.identity.audit import OPERATOR

    async with changing_trunks(invocation.settings) as (platform, connection):
        removed = await platform.trunks.remove(connection, name, OPERATOR, platform.clock.now())
    invocation.result({"removed": removed.name}, lambda: click.echo(f"Removed trunk {removed.name}."))


def _shown(trunk: "Trunk") -> dict[str, Any]:
    """Every field as a person reads it; a certificate only as being there."""
    import msgspec

    fields = msgspec.structs.asdict(trunk)
    if fields["tls_ca"]:
        fields["tls_ca"] = f"{fields['tls_ca'].count('BEGIN CERTIFICATE')} certificate(s) of its own"
    return {
        name.replace("_", " "): ", ".join(map(str, value)) if isinstance(value, tuple) else value
        for name, value in fields.items()
        if name not in ("id", "name", "created_at") and value not in (None, "", ())
    }


def _our_side(invocation: Invocation) -> Any:
    from sautikitd.trunks.findings import OurSide

    settings = invocation.settings
    return OurSide(
        advertised=settings.sip_advertise,
        authorities=settings.sip_authorities,
        certificate=settings.sip_certificate,
        key=settings.sip_key,
    )


def _password(given: str | None, from_stdin: bool) -> str:
    if given and from_stdin:
        raise click.UsageError("Give --password or --password-stdin, not both.")
    if from_stdin:
        return sys.stdin.readline().rstrip("\r\n")
    password = given or os.environ.get(PASSWORD_VARIABLE)
    if not password:
        raise Failure(
            "usage",
            f"--username needs a password: --password-stdin, or the variable {PASSWORD_VARIABLE}.",
            Exit.USAGE,
        )
    return password
