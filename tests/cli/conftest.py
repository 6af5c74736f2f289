"""The command line against a real database, in this process; `Answer` is what a script would see."""

import json
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

from sautikitd.cli.main import cli
from sautikitd.secretbox import make_key_file


@dataclass(frozen=True)
class Answer:
    status: int
    output: str
    errors: str

    @property
    def data(self) -> Any:
        return json.loads(self.output)


@pytest.fixture
def sautikitd(database_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., Answer]:
    """Runs one command on an installation of its own; `stdin` is what it reads."""
    make_key_file(tmp_path / "master.keys")
    monkeypatch.setenv("SAUTIKIT_DATA_DIR", str(tmp_path))
    monkeypatch.setenv("DATABASE_URL", database_url)

    def run(*arguments: str, stdin: str | None = None) -> Answer:
        result = CliRunner().invoke(cli, list(arguments), input=stdin)
        if result.exception and not isinstance(result.exception, SystemExit):
            raise result.exception
        return Answer(result.exit_code, result.stdout, result.stderr)

    return run


@pytest.fixture
def workspace_id(sautikitd: Callable[..., Answer]) -> str:
    answer = sautikitd("workspace", "create", "Duka la Mama", "--owner", "mama@example.co.ke", "--json")
    made: str = answer.data["workspace"]["id"]
    return made
