"""The public Standard Webhooks library for Node.js verifies what we sign, unchanged."""

import base64
import json
import os
import shutil
import subprocess
import time
from pathlib import Path

import pytest

from sautikitd.egress.signatures import standard_webhooks_headers

FOLDER = Path(__file__).parent / "node"
SECRET = "whsec_" + base64.b64encode(bytes(range(32))).decode()
BODY = '{"kind":"call.completed","data":{"to":"+254712345678","note":"Habari — ähm"}}'


@pytest.fixture(scope="module")
def node() -> str:
    found = shutil.which("node")
    if found is None or shutil.which("npm") is None:
        pytest.skip("node and npm are not installed here; on Debian: apt install nodejs npm")
    if not (FOLDER / "node_modules" / "standardwebhooks").exists():
        subprocess.run(
            ["npm", "ci", "--silent", "--no-audit", "--no-fund"], cwd=FOLDER, check=True, timeout=110
        )
    return found


def _verify(node: str, headers: dict[str, str], body: str) -> int:
    wish = json.dumps({"secret": SECRET, "headers": headers, "body": body})
    done = subprocess.run(
        [node, str(FOLDER / "verify.mjs")],
        input=wish,
        text=True,
        capture_output=True,
        timeout=30,
        env=os.environ,
        check=False,
    )
    return done.returncode


def test_it_accepts_what_we_signed_and_nothing_else(node: str) -> None:
    headers = standard_webhooks_headers("evt_1", BODY.encode(), [SECRET], int(time.time()))
    assert _verify(node, headers, BODY) == 0
    assert _verify(node, headers, BODY.replace("completed", "failed")) == 1


def test_during_a_rotation_one_valid_signature_is_enough(node: str) -> None:
    newer = "whsec_" + base64.b64encode(bytes(range(1, 33))).decode()
    headers = standard_webhooks_headers("evt_1", BODY.encode(), [newer, SECRET], int(time.time()))
    assert _verify(node, headers, BODY) == 0
