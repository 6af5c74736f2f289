"""`sautikitd trunk add | list | check | remove`."""

import os
import sys
from typing import TYPE_CHECKING

import click

from sautikitd.cli.command import Invocation, found_something, subcommand
from sautikitd.cli.exits import Exit, Failure
from sautikitd.cli.show import show_fields, show_table

if TYPE_CHECKING:
    from sautikitd.trunks.models import Codec

PASSWORD_VARIABLE = "SAUTIKIT_TRUNK_PASSWORD"


@click.group()
def trunk() -> None:
    """SIP trunks: where live calls leave and arrive."""


@trunk.command()
@click.argument("name")
@click.option("--host", required=True, help="The carrier's host name or IP address.")
@click.option("--port", type=int, default=5060, show_default=True)
@click.option("--transport", type=click.Choice(["udp", "tcp"]), default="udp", show_default=True)
@click.option("--username", help="For digest authentication; without it the carrier knows us by our address.")
@click.option(
    "--password", help=f"Better: --password-stdin, or {PASSWORD_VARIABLE}: others may see arguments."
)
@click.option("--password-stdin", is_flag=True, help="Read the password from standard input.")
@click.option("--register", is_flag=True, help="Register with the carrier, so that it can find us.")
@click.option("--codecs", default="PCMA,PCMU", show_default=True, help="In order of preference, with commas.")
@click.option(
    "--source", "sources", multiple=True, metavar="CIDR", help="Further addresses its calls come from."
)
@subcommand()
async def add(
    invocation: Invocation,
    name: str,
    host: str,
    port: int,
    transport: str,
    username: str | None,
    password: str | None,
    password_stdin: bool,
    register: bool,
    codecs: str,
    sources: tuple[str, ...],
) -> None:
    """Add a trunk. Voice nodes use it within seconds.

    \b
    sautikitd trunk add safaricom --host 192.0.2.10 --port 5060 --transport udp
    echo "$PASSWORD" | sautikitd trunk add ke-voip --host sip.example.co.ke --port 5060 \\
        --transport tcp --username 254200000001 --password-stdin --register
    """
    from sautikitd.cli.installation import installation
    from sautikitd.identity.audit import OPERATOR
    from sautikitd.trunks.models import NewTrunk, Transport

    new = NewTrunk(
        name=name,
        host=host,
        port=port,
        transport=Transport(transport),
        username=username,
        password=_password(password, password_stdin) if username else password,
        register=register,
        codecs=_codecs(codecs),
        source_cidrs=sources,
    )
    async with installation(invocation.settings) as platform, platform.database.transaction() as connection:
        added = await platform.trunks.add(connection, new, OPERATOR, platform.clock.now())

    def show() -> None:
        click.echo(f"Added trunk {added.name}. Try it with: sautikitd trunk check {added.name}")

    invocation.result({"trunk": added}, show)


@trunk.command("list")
@subcommand()
async def list_(invocation: Invocation) -> None:
    """List the trunks, with what the voice node last saw of each."""
    from sautikitd.cli.installation import installation

    async with installation(invocation.settings) as platform, platform.database.connection() as connection:
        trunks = await platform.trunks.all(connection)
    rows = [
        (t.name, f"{t.transport}:{t.host}:{t.port}", t.username or "by address", t.state, t.state_detail)
        for t in trunks
    ]
    columns = ("Name", "Where", "Known as", "State", "")
    empty = "There are no trunks: live calls have no way out. Add one with `sautikitd trunk add`."
    invocation.result({"trunks": trunks}, lambda: show_table(columns, rows, empty=empty))


@trunk.command()
@click.argument("name")
@subcommand()
async def check(invocation: Invocation, name: str) -> None:
    """Ask a trunk whether it is there (SIP OPTIONS), and explain what is wrong if it is not. Exit code 1 then."""
    from sautikitd.cli.installation import installation
    from sautikitd.trunks.check import check_trunk

    async with installation(invocation.settings) as platform, platform.database.connection() as connection:
        found = await platform.trunks.find(connection, name)
    outcome = await check_trunk(found)
    fields = {
        "where": f"{found.transport}:{found.host}:{found.port}",
        "resolves to": ", ".join(outcome.addresses) or "nothing",
        "answer": f"{outcome.code} in {outcome.milliseconds} ms" if outcome.ok else "none",
        "that means": outcome.explanation,
    }
    invocation.result({"check": outcome}, lambda: show_fields(found.name, fields))
    if not outcome.ok:
        found_something()


@trunk.command()
@click.argument("name")
@subcommand()
async def remove(invocation: Invocation, name: str) -> None:
    """Remove a trunk. Refused while calls run over it."""
    from sautikitd.cli.installation import installation
    from sautikitd.identity.audit import OPERATOR

    async with installation(invocation.settings) as platform, platform.database.transaction() as connection:
        removed = await platform.trunks.remove(connection, name, OPERATOR, platform.clock.now())
    invocation.result({"removed": removed.name}, lambda: click.echo(f"Removed trunk {removed.name}."))


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


def _codecs(text: str) -> tuple["Codec", ...]:
    from sautikitd.trunks.models import Codec

    try:
        return tuple(Codec(part.strip().upper()) for part in text.split(",") if part.strip())
    except ValueError as exc:
        raise click.UsageError(f"--codecs takes PCMA and PCMU, with a comma: {exc}.") from exc
