"""`sautikitd doctor`."""

from typing import TYPE_CHECKING

import click

from sautikitd.cli.command import Invocation, found_something, subcommand

if TYPE_CHECKING:
    from sautikitd.cli.checkup import Check
    from sautikitd.settings import Settings

_APART = ("disk", "ports", "api")  # what may be wrong with these does not keep us from reading the database
_MARKS = {"ok": ("✓", "green"), "warning": ("!", "yellow"), "wrong": ("✗", "red")}


@click.command()
@click.option("--http", metavar="HOST:PORT", help="Where the API listens [SAUTIKIT_HTTP, 127.0.0.1:8080].")
@click.option(
    "--sip", metavar="HOST:PORT", help="Where the voice node speaks SIP [SAUTIKIT_SIP, 127.0.0.1:5060]."
)
@subcommand(http="http", sip="sip")
async def doctor(invocation: Invocation) -> None:
    """Look at ports, database, schema, clock, master keys, disk, voice nodes, webhooks and trunks.

    Says what is wrong and how to put it right, and changes nothing. Exit code 1 when anything is wrong.

    \b
    sautikitd doctor
    sautikitd doctor --json | jq -r '.checks[] | select(.verdict != "ok")'
    """
    checks = await _examine(invocation.settings)
    wrong = [check for check in checks if check.verdict == "wrong"]
    invocation.result({"ok": not wrong, "checks": checks}, lambda: _show(checks))
    if wrong:
        found_something()


async def _examine(settings: "Settings") -> "list[Check]":
    from sautikitd.cli import checkup
    from sautikitd.cli.installation import DatabaseNotRunning, database_urls

    served = checkup.is_served(settings)
    checks = [checkup.check_disk(settings)]
    checks += [check async for check in checkup.check_ports(settings, served=served)]
    try:
        async with database_urls(settings) as urls:
            checks.append(checkup.check_master_keys(settings))
            checks += [check async for check in checkup.check_server(urls.owner)]
            if all(check.verdict != checkup.Verdict.WRONG or check.name in _APART for check in checks):
                checks += [
                    check
                    async for check in checkup.check_installation(settings, urls.application, served=served)
                ]
    except DatabaseNotRunning as exc:
        checks.append(checkup.wrong("database", "there is none yet", str(exc)))
    return checks


def _show(checks: "list[Check]") -> None:
    for check in checks:
        mark, colour = _MARKS[check.verdict]
        click.echo(f"{click.style(mark, fg=colour)} {check.name}: {check.found}")
        if check.cure:
            click.echo(f"    → {check.cure}")
