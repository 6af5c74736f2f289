"""The doctor finds what is wrong, says how to put it right, and ends with 1 only then."""

import socket
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from sautikitd.cli.exits import Exit

Command = Callable[..., Any]


@pytest.fixture(autouse=True)
def free_ports(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("SAUTIKIT_HTTP", "SAUTIKIT_SIP", "SAUTIKIT_CARRIER"):
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            monkeypatch.setenv(name, f"127.0.0.1:{probe.getsockname()[1]}")


def by_name(answer: Any) -> dict[str, dict[str, str]]:
    return {check["name"]: check for check in answer.data["checks"]}


def test_a_healthy_installation_is_well(sautikitd: Command, workspace_id: str) -> None:
    answer = sautikitd("doctor", "--json")
    checks = by_name(answer)
    assert answer.status == Exit.OK, checks
    for name in ("disk", "ports", "master keys", "database", "clock", "schema", "secrets", "webhooks"):
        assert checks[name]["verdict"] == "ok", checks[name]
    assert checks["trunks"]["verdict"] == "warning"


def test_looking_makes_nothing(sautikitd: Command, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    nowhere = tmp_path / "not" / "there"
    monkeypatch.delenv("DATABASE_URL", raising=False)
    answer = sautikitd("doctor", "--data-dir", str(nowhere), "--json")
    assert answer.status == Exit.FOUND
    assert by_name(answer)["database"]["found"] == "there is none yet"
    assert by_name(answer)["disk"]["verdict"] == "ok"
    assert not nowhere.parent.exists()


def test_a_taken_port_is_found(sautikitd: Command, monkeypatch: pytest.MonkeyPatch) -> None:
    with socket.socket() as server:
        server.bind(("127.0.0.1", 0))
        server.listen()
        port = server.getsockname()[1]
        monkeypatch.setenv("SAUTIKIT_HTTP", f"127.0.0.1:{port}")
        answer = sautikitd("doctor", "--json")
    assert answer.status == Exit.FOUND
    assert str(port) in by_name(answer)["ports"]["found"]


def test_master_keys_that_others_can_read_are_found(sautikitd: Command, tmp_path: Path) -> None:
    (tmp_path / "master.keys").chmod(0o644)
    answer = sautikitd("doctor", "--json")
    assert answer.status == Exit.FOUND
    assert by_name(answer)["master keys"]["cure"].startswith("chmod 600")


def test_a_trunk_that_is_away_is_found(sautikitd: Command) -> None:
    with socket.socket() as held:
        held.bind(("127.0.0.1", 0))
        port = str(held.getsockname()[1])
        sautikitd("trunk", "add", "dead", "--host", "127.0.0.1", "--port", port, "--transport", "tcp")
        answer = sautikitd("doctor", "--json")
    assert answer.status == Exit.FOUND
    assert "nothing listens" in by_name(answer)["trunk dead"]["cure"]


def test_a_folder_without_a_database_is_found(
    sautikitd: Command, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("DATABASE_URL")
    answer = sautikitd("doctor", "--json")
    assert answer.status == Exit.FOUND
    assert by_name(answer)["database"]["found"] == "there is none yet"


def test_people_read_marks_and_cures(sautikitd: Command) -> None:
    shown = sautikitd("doctor").output
    assert "✓ database: PostgreSQL" in shown
    assert "→ sautikitd trunk add --help" in shown
