"""`sautikitd demo`, which is `make run`."""

import os
import sys

import click

from sautikitd.cli.command import Invocation, subcommand


@click.command()
@click.option("--http", metavar="HOST:PORT", help="Where the API listens [127.0.0.1:8080].")
@click.option("--sip", metavar="HOST:PORT", help="Where the voice node speaks SIP [127.0.0.1:5060].")
@subcommand(http="http", sip="sip")
def demo(invocation: Invocation) -> None:
    """Serve as `sautikitd serve --dev` does, place a call in test mode, and show it as it happens.

    Makes a workspace named Demonstration once, and prints a test key of it and a curl to go on with.

    \b
    sautikitd demo
    sautikitd demo --http 127.0.0.1:9000 --sip 127.0.0.1:5160 --data-dir /tmp/sautikit
    """
    import asyncio

    import msgspec

    from sautikitd.demo.demonstration import demonstrate
    from sautikitd.demo.screen import Screen
    from sautikitd.supervisor.output import Output
    from sautikitd.supervisor.serve import serve

    os.umask(0o077)
    settings = msgspec.structs.replace(invocation.settings, dev=True)
    screen = Screen()
    screen.text(f"Starting everything in {settings.data_dir} …")
    output = Output(sys.stderr, quiet=True)
    asyncio.run(serve(settings, output, once_ready=lambda url: demonstrate(settings, url, screen)))
