"""What the roles say, shown: lines with the role in front on a terminal, JSON lines elsewhere.

The lines have colours unless `NO_COLOR` is set.
"""

import json
import os
import re
import sys
from datetime import UTC, datetime
from typing import Any, TextIO

from sautikitd.timestamps import rfc3339

_COLOURS = {"api": "36", "voice": "35", "worker": "34", "carrier": "33", "postgres": "32", "supervisor": "37"}
_LEVELS = {"warning": "33", "error": "31", "critical": "31"}
_RANK = {"debug": 0, "info": 1, "warning": 2, "error": 3, "critical": 4}
_COLOUR = re.compile(r"\x1b\[[0-9;]*m")
_LEFT_OUT = {"event", "level", "role", "timestamp", "exception", "logger"}


class Output:
    """`quiet` keeps what is below a warning off the terminal (the demonstration has it to itself)."""

    def __init__(self, stream: TextIO | None = None, *, quiet: bool = False) -> None:
        self._stream = stream or sys.stderr
        self._terminal = self._stream.isatty()
        self._lowest = _RANK["warning"] if quiet else _RANK["info"]

    def line(self, role: str, text: str) -> None:
        """One line of a role, as it came: a JSON object of its log, or anything else it printed."""
        self._show(role, _parsed(text))

    def say(self, event: str, *, level: str = "info", **values: object) -> None:
        """A line of the supervisor itself."""
        now = rfc3339(datetime.now(UTC))
        self._show("supervisor", {"event": event, "level": level, "timestamp": now, **values})

    def _show(self, role: str, record: dict[str, Any]) -> None:
        level = str(record.get("level", "info"))
        if _RANK.get(level, 1) < self._lowest:
            return
        if self._terminal:
            text = _readable(role, level, record)
            if os.environ.get("NO_COLOR"):
                text = _COLOUR.sub("", text)
        else:
            text = json.dumps({**record, "role": role}, default=str, ensure_ascii=False)
        self._stream.write(text + "\n")
        self._stream.flush()


def _parsed(text: str) -> dict[str, Any]:
    if text.startswith("{"):
        try:
            record = json.loads(text)
        except ValueError:
            return {"event": text, "level": "info"}
        if isinstance(record, dict):
            return record
    return {"event": text, "level": "info"}


def _readable(role: str, level: str, record: dict[str, Any]) -> str:
    name = role.rpartition("-")[0] if role[-1:].isdigit() else role
    event = str(record.get("event", ""))
    if level in _LEVELS:
        event = f"\x1b[{_LEVELS[level]}m{event}\x1b[0m"
    rest = " ".join(f"\x1b[2m{k}=\x1b[0m{v}" for k, v in record.items() if k not in _LEFT_OUT)
    clock = datetime.now().astimezone().strftime("%H:%M:%S")
    shown = f"\x1b[2m{clock}\x1b[0m \x1b[{_COLOURS.get(name, '37')}m{role:<10}\x1b[0m {event} {rest}".rstrip()
    return shown + (f"\n{record['exception']}" if record.get("exception") else "")
