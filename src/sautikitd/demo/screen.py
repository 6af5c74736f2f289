"""Lines of the demonstration: coloured on a terminal, plain elsewhere."""

import sys
from datetime import datetime

from rich.console import Console
from rich.markup import escape

_STYLES = {
    "queued": "cyan",
    "ringing": "yellow",
    "answered": "bold green",
    "callback": "magenta",
    "says": "bold",
    "listens": "blue",
    "digits": "bold blue",
    "hung up": "bold green",
    "cost": "bold yellow",
    "failed": "bold red",
    "webhook": "dim",
}


class Screen:
    def __init__(self) -> None:
        self._console = Console(file=sys.stdout, highlight=False, soft_wrap=True)

    def step(self, what: str, text: str) -> None:
        """One thing that happened, now."""
        clock = datetime.now().astimezone().strftime("%H:%M:%S.%f")[:-3]
        style = _STYLES.get(what, "white")
        self._console.print(f"  [dim]{clock}[/dim]  [{style}]{what:<9}[/{style}]  {escape(text)}")

    def title(self, text: str) -> None:
        self._console.print(f"\n[bold]{escape(text)}[/bold]")

    def text(self, text: str = "") -> None:
        """As it is, ready to be copied."""
        self._console.print(escape(text))

    def problem(self, text: str) -> None:
        self._console.print(f"[bold red]{escape(text)}[/bold red]")
