"""`sautikitd api | voice | worker | carrier | daraja | mail`: one role, alone, for installations of more than one machine."""

import importlib
import sys

import click

from sautikitd.cli.command import Invocation, subcommand
from sautikitd.cli.exits import Exit
from sautikitd.cli.failures import failure_of


def _run(name: str, invocation: Invocation) -> None:
    import structlog

    from sautikitd.roles.process import run_role

    module = importlib.import_module(f"sautikitd.roles.{name}")
    try:
        run_role(name, module.run, invocation.settings)
    except Exception as exc:
        if failure_of(exc) is not None:
            raise
        structlog.get_logger().exception(f"{name} failed")
        sys.exit(Exit.FOUND)


@click.command()
@click.option("--http", metavar="HOST:PORT", help="Where it listens [SAUTIKIT_HTTP, 127.0.0.1:8080].")
@subcommand(http="http")
def api(invocation: Invocation) -> None:
    """Run one API process. It keeps nothing: run as many as you like behind a load balancer.

    \b
    sautikitd api --http 0.0.0.0:8080
    """
    _run("api", invocation)


@click.command()
@click.option("--sip", metavar="HOST:PORT", help="Where it speaks SIP [SAUTIKIT_SIP, 127.0.0.1:5060].")
@subcommand(sip="sip")
def voice(invocation: Invocation) -> None:
    """Run one voice node: it claims queued calls, dials them, and runs their flows.

    \b
    sautikitd voice --sip 203.0.113.7:5060
    """
    _run("voice", invocation)


@click.command()
@subcommand()
def worker(invocation: Invocation) -> None:
    """Run one worker: it delivers webhooks, ends the calls of dead nodes, and cleans up.

    \b
    sautikitd worker --data-dir /var/lib/sautikit
    """
    _run("worker", invocation)


@click.command()
@subcommand()
def carrier(invocation: Invocation) -> None:
    """Run the simulated carrier that test mode calls; loopback only.

    \b
    SAUTIKIT_CARRIER=127.0.0.1:5070 sautikitd carrier
    """
    _run("carrier", invocation)


@click.command()
@subcommand()
def daraja(invocation: Invocation) -> None:
    """Run the simulated M-Pesa that test mode pays with, and its page with the phone; loopback only.

    \b
    SAUTIKIT_DARAJA_SIMULATOR=127.0.0.1:8090 sautikitd daraja
    """
    _run("daraja", invocation)


@click.command()
@subcommand()
def mail(invocation: Invocation) -> None:
    """Run the mail server of development, and its page at /dev/mail; loopback only.

    \b
    SAUTIKIT_MAIL_SIMULATOR=127.0.0.1:8091 sautikitd mail
    """
    _run("mail", invocation)
