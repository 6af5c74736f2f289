"""What commands print for people."""

from datetime import UTC, datetime

import pytest

from sautikitd.cli.show import show_fields, show_json, show_table

AT = datetime(2026, 11, 29, 22, 1, 51, 670_165, tzinfo=UTC)


def test_times_are_those_of_the_api_and_yes_is_no_word_of_python(capsys: pytest.CaptureFixture[str]) -> None:
    show_fields("loop", {"at": AT, "ping": True, "register": False, "caps": None, "port": 5060})
    assert capsys.readouterr().out.splitlines()[1:] == [
        "  at        2026-11-29T22:01:51.670Z",
        "  ping      yes",
        "  register  no",
        "  caps      –",
        "  port      5060",
    ]


def test_tables_and_json_show_the_same_times(capsys: pytest.CaptureFixture[str]) -> None:
    show_table(("At", "Up"), [(AT, True)], empty="none")
    show_json({"at": AT, "up": True})
    table, *json = capsys.readouterr().out.splitlines()
    assert table == "2026-11-29T22:01:51.670Z\tyes"
    assert json == ["{", '  "at": "2026-11-29T22:01:51.670Z",', '  "up": true', "}"]
