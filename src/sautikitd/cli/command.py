"""What every subcommand shares: `--json`, `--data-dir`, settings read, failures shown as documented."""

import asyncio
import os
import sys
from collections.abc import Awaitable, Callable, Coroutine
from dataclasses import dataclass
from functools import wraps
from typing import Any, TypeVar

import click

from sautikitd.cli.exits import Exit
from sautikitd.cli.failures import failure_of
from sautikitd.cli.show import show_failure, show_json
from sautikitd.settings import Settings, from_environment

T = TypeVar("T")


class Commands(click.Group):
    """A group whose help says the first sentence of each command whole, on as many lines as it takes."""

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        named = ((name, self.get_command(ctx, name)) for name in self.list_commands(ctx))
        with formatter.section("Commands"):
            formatter.write_dl(
                [(name, command.get_short_help_str(1000)) for name, command in named if command]
            )


@dataclass(frozen=True)
class Invocation:
    """One run of a command."""

    settings: Settings
    as_json: bool

    def result(self, value: Any, show: Callable[[], None]) -> None:
        """Prints `value` as JSON where that is asked for, else calls `show`."""
        if self.as_json:
            show_json(value)
        else:
            show()


def subcommand(**flags: str) -> Callable[[Callable[..., Any]], Callable[..., None]]:
    """Wraps the body of a click command: it is called with an `Invocation` first.

    `flags` maps options of the command to fields of `Settings` they set (`data_dir` always is one).
    """

    def decorate(body: Callable[..., Any]) -> Callable[..., None]:
        @click.option("--json", "as_json", is_flag=True, help="Print one JSON document, for scripts.")
        @click.option(
            "--data-dir", metavar="DIR", help="Folder of the installation [SAUTIKIT_DATA_DIR, ./data]."
        )
        @wraps(body)
        def command(as_json: bool, data_dir: str | None, **options: Any) -> None:
            given = {field: options.pop(option) for option, field in flags.items()}
            with ending(as_json):
                settings = from_environment(os.environ, {"data_dir": data_dir, **given})
                outcome = body(Invocation(settings, as_json), **options)
                if asyncio.iscoroutine(outcome):
                    run(outcome)

        return command

    return decorate


class ending:  # noqa: N801 - reads as a statement
    """Turns an expected failure inside the block into its message and exit code."""

    def __init__(self, as_json: bool) -> None:
        self._as_json = as_json

    def __enter__(self) -> None:
        return None

    def __exit__(self, _kind: object, exc: BaseException | None, _traceback: object) -> None:
        if exc is None or isinstance(exc, (SystemExit, click.ClickException)):
            return
        if isinstance(exc, KeyboardInterrupt):
            sys.exit(130)
        failure = failure_of(exc)
        if failure is None:
            return
        show_failure(failure, as_json=self._as_json)
        sys.exit(failure.exit_code)


def run(work: Coroutine[Any, Any, T] | Awaitable[T]) -> T:
    async def main() -> T:
        return await work

    return asyncio.run(main())


def found_something() -> None:
    """Ends the command with the exit code of a check that found something wrong."""
    sys.exit(Exit.FOUND)
