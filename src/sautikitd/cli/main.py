"""`sautikitd`: the command line of operators and scripts. Subcommands are imported only when they run."""

import importlib
import json
import sys
from typing import Any

import click

from sautikitd import __version__
from sautikitd.cli.exits import MEANINGS, Exit

_COMMANDS = {
    "serve": ("serve", "Run the whole platform on this machine."),
    "demo": ("demo", "Serve, and show a first call as it happens (make run)."),
    "api": ("roles", "Run an API process alone."),
    "voice": ("roles", "Run a voice node alone."),
    "worker": ("roles", "Run the background worker alone."),
    "carrier": ("roles", "Run the simulated carrier of test mode alone."),
    "mail": ("roles", "Run the mail server of development alone: it shows mail and sends nothing."),
    "daraja": ("roles", "Run the simulated M-Pesa of test mode alone."),
    "migrate": ("migrate", "Bring the database to the newest schema."),
    "doctor": ("doctor", "Look for what is wrong, and say how to put it right."),
    "workspace": ("workspace", "Create, list, suspend workspaces."),
    "key": ("key", "Create, list, revoke API keys."),
    "signing-secret": ("signing_secret", "Show the secret that signs callbacks and webhooks."),
    "inventory": ("inventory", "Import numbers to give out."),
    "trunk": ("trunk", "Add, list, check, remove SIP trunks."),
    "tariff": ("tariff", "Import, export, list what a minute costs."),
    "wallet": ("wallet", "Correct a wallet."),
    "ledger": ("ledger", "Audit the books."),
    "topups": ("topups", "Reconcile M-Pesa: report, register the Paybill, give up."),
    "suspense": ("suspense", "Payments that are in nobody's wallet: list, assign, reverse."),
}

_EPILOG = "\b\nExit codes:\n" + "\n".join(f"  {code.value}  {text}" for code, text in MEANINGS.items())


class LazyCommands(click.Group):
    """Knows its subcommands by name and imports the module of the one that is called."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        return list(_COMMANDS)

    def get_command(self, ctx: click.Context, name: str) -> click.Command | None:
        if name not in _COMMANDS:
            return None
        module = importlib.import_module(f"sautikitd.cli.{_COMMANDS[name][0]}")
        command: click.Command = getattr(module, name.replace("-", "_"))
        return command

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        with formatter.section("Commands"):
            formatter.write_dl([(name, text) for name, (_, text) in _COMMANDS.items()])


@click.command(cls=LazyCommands, epilog=_EPILOG, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(__version__, prog_name="sautikitd")
def cli() -> None:
    """Programmable voice for Kenya: one command runs the platform, the others look after it.

    \b
    sautikitd serve                      the API on 127.0.0.1:8080, SIP on 127.0.0.1:5060
    sautikitd workspace create "Duka" --owner me@example.co.ke
    sautikitd doctor                     what is wrong, and how to put it right

    Every subcommand takes --json. Settings come from flags, or SAUTIKIT_* variables: see `sautikitd serve --help`.
    """


def main(arguments: list[str] | None = None) -> None:
    arguments = sys.argv[1:] if arguments is None else arguments
    try:
        status: Any = cli.main(arguments, prog_name="sautikitd", standalone_mode=False)
    except click.exceptions.Abort:
        sys.exit(130)
    except click.ClickException as exc:
        if "--json" in arguments:
            error = {"code": "usage", "message": exc.format_message()}
            click.echo(json.dumps({"error": error}, indent=2, ensure_ascii=False))
        else:
            exc.show()
        sys.exit(Exit.USAGE)
    sys.exit(status if isinstance(status, int) else Exit.OK)


if __name__ == "__main__":
    main()
