"""docs/webhooks.md says what the code does, and its snippets verify the vectors that it publishes."""

import re
import shutil
import subprocess
from datetime import timedelta
from pathlib import Path

import pytest

from sautikitd.egress.signatures import sign, standard_webhooks_headers
from sautikitd.events.kinds import EventKind
from sautikitd.webhooks.schedule import GAPS

PAGE = (Path(__file__).parents[2] / "docs" / "webhooks.md").read_text()
ROWS = dict(re.findall(r"^\| `?([^|`]+?)`? \| `?([^|]*?)`? \|$", PAGE, re.MULTILINE))
NOW = int(ROWS["webhook-timestamp"])
UNITS = {"s": timedelta(seconds=1), "min": timedelta(minutes=1), "h": timedelta(hours=1)}


def snippets(language: str) -> list[str]:
    return re.findall(rf"```{language}\n(.*?)```", PAGE, re.DOTALL)


def duration(text: str) -> timedelta:
    count, unit = text.split()
    return int(count) * UNITS[unit]


def test_the_vectors_are_what_we_send() -> None:
    body, secret = ROWS["body"].encode(), ROWS["secret"]
    standard = standard_webhooks_headers(ROWS["webhook-id"], body, [secret], NOW)
    assert sign(body, [secret], NOW) == ROWS["X-Sautikit-Signature"]
    assert standard["webhook-signature"] == ROWS["webhook-signature"]


def test_every_event_is_listed_and_no_other() -> None:
    listed = re.findall(r"^\| `(\w+(?:\.\w+)+)` \|", PAGE, re.MULTILINE)
    assert listed == [kind.value for kind in EventKind]


def test_the_gaps_are_those_of_the_schedule() -> None:
    for attempt, gap in enumerate(GAPS, 2):
        shortest, longest = map(duration, ROWS[str(attempt)].split(" to "))
        assert (shortest, longest) == (gap / 2, gap)


def test_the_python_snippet_takes_the_vector_and_nothing_else() -> None:
    scope: dict[str, object] = {}
    exec(snippets("python")[1], scope)
    check = scope["is_from_sautikit"]
    assert callable(check)
    body, header, secret = ROWS["body"].encode(), ROWS["X-Sautikit-Signature"], ROWS["secret"]
    assert check(body, header, secret, NOW)
    assert check(body, header.replace("v1=", "v1=00,v1="), secret, NOW + 299)
    assert not check(body + b" ", header, secret, NOW)
    assert not check(body, header, secret + "x", NOW)
    assert not check(body, header, secret, NOW + 301)
    assert not check(body, "t=,v1=", secret, NOW)


def test_the_node_snippet_takes_the_vector_and_nothing_else(tmp_path: Path) -> None:
    node = shutil.which("node")
    if node is None:
        pytest.skip("node is not installed here; on Debian: apt install nodejs")
    body, header, secret = ROWS["body"], ROWS["X-Sautikit-Signature"], ROWS["secret"]
    trials = [
        (body, header, secret, NOW, True),
        (body, header.replace("v1=", "v1=00,v1="), secret, NOW + 299, True),
        (body + " ", header, secret, NOW, False),
        (body, header, secret + "x", NOW, False),
        (body, header, secret, NOW + 301, False),
        (body, "t=,v1=", secret, NOW, False),
    ]
    asks = "\n".join(f"console.log(isFromSautikit({b!r}, {h!r}, {s!r}, {at}));" for b, h, s, at, _ in trials)
    program = tmp_path / "check.mjs"
    program.write_text(snippets("js")[1] + asks)
    done = subprocess.run([node, str(program)], text=True, capture_output=True, timeout=60, check=True)
    assert done.stdout.split() == [str(wanted).lower() for *_, wanted in trials]
