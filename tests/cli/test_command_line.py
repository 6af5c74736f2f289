"""The command line as a whole: help, exit codes, errors for scripts, and a quick start."""

import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from sautikitd.cli.exits import MEANINGS, Exit
from sautikitd.cli.main import cli
from sautikitd.secretbox import make_key_file

Command = Callable[..., Any]
HEAVY = ("asyncpg", "alembic", "aiohttp", "numpy", "rich")


def run(*arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
    source = str(Path(__file__).parents[2] / "src")
    return subprocess.run(
        [sys.executable, "-m", "sautikitd.cli.main", *arguments],
        env={**os.environ, "PYTHONPATH": source, **environment},
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )


def test_the_help_documents_every_exit_code() -> None:
    shown = run("--help").stdout
    for code, meaning in MEANINGS.items():
        assert f"{code.value}  {meaning}" in shown


def test_every_command_shows_help_and_takes_json() -> None:
    import click

    def check(command: click.Command, path: str) -> None:
        context = click.Context(command, info_name=path)
        if isinstance(command, click.Group):
            for name in command.list_commands(context):
                found = command.get_command(context, name)
                assert found is not None, f"{path} {name}"
                check(found, f"{path} {name}")
        else:
            assert "--json" in command.get_help(context), path
            assert f"{path} " in f"{command.help} ".replace("\n", " \n"), f"{path} shows no example"

    check(cli, "sautikitd")


def test_the_help_of_a_group_says_whole_sentences() -> None:
    shown = " ".join(run("workspace", "--help").stdout.split())
    assert "Create a workspace with its owner, wallets and signing secrets." in shown


def test_asking_for_help_imports_nothing_heavy() -> None:
    loaded = subprocess.run(
        [
            sys.executable,
            "-c",
            "import sys; from sautikitd.cli.main import main\n"
            "try:\n    main(['--help'])\nexcept SystemExit:\n    pass\n"
            f"print([name for name in {HEAVY!r} if name in sys.modules])",
        ],
        env={**os.environ, "PYTHONPATH": str(Path(__file__).parents[2] / "src")},
        capture_output=True,
        text=True,
        check=True,
    )
    assert loaded.stdout.splitlines()[-1] == "[]"


def test_a_wrong_command_line_is_told_to_scripts_as_json() -> None:
    answer = run("key", "create", "--mode", "sideways", "--json")
    assert answer.returncode == Exit.USAGE
    assert json.loads(answer.stdout)["error"]["code"] == "usage"


def test_a_wrong_setting_is_named_with_an_example() -> None:
    answer = run("doctor", "--json", SAUTIKIT_HTTP="8080")
    assert answer.returncode == Exit.SETTINGS
    error = json.loads(answer.stdout)["error"]
    assert error["code"] == "settings.invalid"
    assert "SAUTIKIT_HTTP=127.0.0.1:8080" in error["message"]


def test_a_folder_without_a_database_is_explained(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    answer = run("workspace", "list", "--data-dir", str(tmp_path), "--json", DATABASE_URL="")
    assert answer.returncode == Exit.DATABASE
    assert "sautikitd serve" in json.loads(answer.stdout)["error"]["message"]


def test_a_database_that_is_not_there_is_explained(tmp_path: Path) -> None:
    make_key_file(tmp_path / "master.keys")
    url = f"postgresql://nobody@/nothing?host={tmp_path}"
    answer = run("workspace", "list", "--data-dir", str(tmp_path), "--json", DATABASE_URL=url)
    assert answer.returncode == Exit.DATABASE
    assert json.loads(answer.stdout)["error"]["code"] == "database.unreachable"


def test_the_wrong_master_keys_are_refused_before_anything_is_written(
    sautikitd: Command, workspace_id: str, tmp_path: Path
) -> None:
    (tmp_path / "master.keys").unlink()
    make_key_file(tmp_path / "master.keys")
    answer = sautikitd("workspace", "list", "--json")
    assert answer.status == Exit.SETTINGS
    assert answer.data["error"]["code"] == "master_keys.wrong"


def test_migrate_says_where_it_came_from_and_where_it_is(
    sautikitd: Command, owner_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DATABASE_URL", owner_url)
    answer = sautikitd("migrate", "--json")
    assert answer.status == Exit.OK
    assert answer.data["before"] == answer.data["after"]
