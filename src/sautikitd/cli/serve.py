"""`sautikitd serve`."""

import os
import sys

import click

from sautikitd.cli.command import Invocation, subcommand
from sautikitd.settings_variables import VARIABLES

_EPILOG = "\b\nVariables (a flag goes before its variable):\n" + "\n".join(
    f"  {variable.name}\n      {variable.help}\n      {variable.name}={variable.example}"
    for variable in VARIABLES
)


@click.command(epilog=_EPILOG)
@click.option("--http", metavar="HOST:PORT", help="Where the API listens [127.0.0.1:8080].")
@click.option("--sip", metavar="HOST:PORT", help="Where the voice node speaks SIP [127.0.0.1:5060].")
@click.option(
    "--dev", is_flag=True, default=None, help="Allow private addresses as targets; keep mail in an outbox."
)
@subcommand(http="http", sip="sip", dev="dev")
def serve(invocation: Invocation) -> None:
    """Run the whole platform on this machine, until Ctrl-C.

    Starts PostgreSQL (unless DATABASE_URL points to yours), migrates it, then the API, a voice node, the
    worker and the simulated carrier of test mode. What dies is started again.

    \b
    sautikitd serve
    sautikitd serve --data-dir /var/lib/sautikit --http 0.0.0.0:80 --sip 203.0.113.7:5060
    """
    import asyncio

    from sautikitd.supervisor.output import Output
    from sautikitd.supervisor.serve import serve as run

    os.umask(0o077)
    asyncio.run(run(invocation.settings, Output(sys.stderr)))
