"""What the supervisor shows of its roles."""

import io
import json
import re

import pytest

from sautikitd.supervisor.output import Output


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


def test_a_log_that_nobody_watches_has_one_json_object_a_line_and_times_in_utc() -> None:
    log = io.StringIO()
    output = Output(log)
    output.say("voice was ended", level="warning")
    output.line("api", '{"event": "ready", "level": "info", "timestamp": "2026-11-29T21:18:53.027556Z"}')
    output.line("worker", "Traceback (most recent call last):")
    own, role, other = map(json.loads, log.getvalue().splitlines())
    assert re.fullmatch(r"[-0-9]{10}T[:0-9]{8}\.[0-9]{3}Z", own["timestamp"])
    assert (role["role"], role["event"]) == ("api", "ready")
    assert other == {"event": "Traceback (most recent call last):", "level": "info", "role": "worker"}


@pytest.mark.parametrize("wanted", [True, False])
def test_a_terminal_shows_colours_unless_they_are_unwanted(
    monkeypatch: pytest.MonkeyPatch, wanted: bool
) -> None:
    monkeypatch.setenv("NO_COLOR", "" if wanted else "1")
    terminal = Terminal()
    Output(terminal).say("voice was ended", level="warning")
    assert ("\x1b" in terminal.getvalue()) is wanted
    assert "voice was ended" in terminal.getvalue()
