"""Tariffs and caps by command line."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

from sautikitd.cli.exits import Exit

Command = Callable[..., Any]
HEAD = "direction,prefix,destination,per_minute_minor,effective_from,effective_until\n"


def test_a_tariff_is_imported_listed_and_exported(
    sautikitd: Command, workspace_id: str, tmp_path: Path
) -> None:
    file = tmp_path / "tariff.csv"
    file.write_text(HEAD + "outbound,2547,Kenya mobile,280,,\n")
    imported = sautikitd("tariff", "import", str(file), "--workspace", workspace_id, "--json")
    assert imported.data == {"added": 1, "changed": 0, "unchanged": 0}
    assert "Kenya mobile" in sautikitd("tariff", "list", "--workspace", workspace_id).output
    assert "Kenya mobile" not in sautikitd("tariff", "list").output
    exported = sautikitd("tariff", "export", "--workspace", workspace_id, "--json").data["csv"]
    file.write_text(exported)
    again = sautikitd("tariff", "import", str(file), "--workspace", workspace_id, "--json")
    assert again.data["unchanged"] == 1


def test_a_wrong_line_imports_nothing(sautikitd: Command, tmp_path: Path) -> None:
    file = tmp_path / "tariff.csv"
    file.write_text(HEAD + "outbound,+254,Kenya,280,,\n")
    answer = sautikitd("tariff", "import", str(file), "--json")
    assert (answer.status, answer.data["error"]["code"]) == (Exit.REFUSED, "tariff.invalid")


def test_staff_set_caps_and_resume(sautikitd: Command, workspace_id: str) -> None:
    of = ("--workspace", workspace_id, "--mode", "live")
    assert sautikitd("wallet", "limit", *of, "--daily-minor", "5000", "--json").data["daily_minor"] == 5_000
    assert sautikitd("wallet", "resume", *of, "--json").data == {"resumed": False}
