"""Workspaces, keys, secrets, wallets, inventory: what an operator does by command line."""

import asyncio
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any
from uuid import uuid4

import asyncpg

from sautikitd.cli.exits import Exit

Command = Callable[..., Any]


def asked(url: str, query: str) -> Any:
    async def ask() -> Any:
        connection = await asyncpg.connect(url)
        try:
            return await connection.fetchval(query)
        finally:
            await connection.close()

    return asyncio.run(ask())


def test_a_workspace_is_made_listed_suspended_and_let_go(sautikitd: Command, workspace_id: str) -> None:
    assert workspace_id in sautikitd("workspace", "list").output
    suspended = sautikitd("workspace", "suspend", workspace_id, "--reason", "fraud", "--json")
    assert suspended.data["workspace"]["suspended_at"] is not None
    lifted = sautikitd("workspace", "unsuspend", workspace_id, "--json")
    assert lifted.data["workspace"]["suspended_at"] is None


def test_destinations_are_opened_and_closed_and_noted(
    sautikitd: Command, workspace_id: str, owner_url: str
) -> None:
    change = ("workspace", "destinations", workspace_id, "--mode", "live", "--json")
    assert sautikitd(*change, "--list").data == {"destination_prefixes": ["254"]}
    opened = sautikitd(*change, "--open", "+256", "--open", "1876", "--close", "254")
    assert opened.data == {"destination_prefixes": ["1876", "256"]}
    assert sautikitd(*change, "--list").data == opened.data
    assert asked(owner_url, "SELECT count(*) FROM audit_log WHERE action = 'workspace.destinations'") == 1
    refused = sautikitd(*change, "--open", "210", "--open", "0722", "--close", "44")
    assert refused.status == Exit.REFUSED
    assert [field["pointer"] for field in refused.data["error"]["fields"]] == [
        "/open/0",
        "/open/1",
        "/close/0",
    ]
    assert sautikitd(*change).status == Exit.USAGE


def test_bad_values_are_refused_by_field_with_a_status_of_their_own(sautikitd: Command) -> None:
    answer = sautikitd("workspace", "create", "Duka", "--owner", "nobody", "--json")
    assert answer.status == Exit.REFUSED
    assert answer.data["error"]["code"] == "request.invalid"
    assert answer.data["error"]["fields"] == [{"pointer": "/owner", "problem": "not an e-mail address"}]


def test_people_read_no_word_about_the_fields_of_an_answer(sautikitd: Command) -> None:
    answer = sautikitd("workspace", "create", "Duka", "--owner", "nobody")
    assert answer.errors.splitlines() == ["sautikitd: This is not valid:", "  owner: not an e-mail address"]


def test_times_have_milliseconds_as_in_the_api(sautikitd: Command, workspace_id: str) -> None:
    (workspace,) = sautikitd("workspace", "list", "--json").data["workspaces"]
    assert re.fullmatch(r"[-0-9]{10}T[:0-9]{8}\.[0-9]{3}Z", workspace["created_at"])


def test_a_key_is_shown_once_and_only_its_hash_is_kept(
    sautikitd: Command, workspace_id: str, owner_url: str
) -> None:
    made = sautikitd(
        "key", "create", "--workspace", workspace_id, "--mode", "test", "--scopes", "calls.read", "--json"
    )
    key = made.data["key"]
    assert key.startswith("tsk_test_")
    assert made.data["api_key"]["scopes"] == ["calls.read"]
    assert asked(owner_url, f"SELECT count(*) FROM api_keys WHERE api_keys::text LIKE '%{key[9:]}%'") == 0


def test_keys_are_listed_by_their_hints_and_revoked_once(
    sautikitd: Command, workspace_id: str, owner_url: str
) -> None:
    made = {
        mode: sautikitd("key", "create", "--workspace", workspace_id, "--mode", mode, "--json").data
        for mode in ("live", "test")
    }
    listed = sautikitd("key", "list", "--workspace", workspace_id, "--json").data["api_keys"]
    assert [one["id"] for one in listed] == [made[mode]["api_key"]["id"] for mode in ("live", "test")]
    assert made["live"]["key"] not in str(listed)
    live = made["live"]["api_key"]["id"]
    for _ in range(2):
        ended = sautikitd("key", "revoke", live, "--json")
        assert (ended.status, ended.data["api_key"]["state"]) == (Exit.OK, "revoked")
    only = sautikitd("key", "list", "--workspace", workspace_id, "--mode", "live", "--json").data["api_keys"]
    assert [(one["id"], one["state"]) for one in only] == [(live, "revoked")]
    assert asked(owner_url, "SELECT count(*) FROM audit_log WHERE action = 'api_key.revoke'") == 1
    nobodys = sautikitd("key", "revoke", str(uuid4()), "--json")
    assert (nobodys.status, nobodys.data["error"]["code"]) == (Exit.REFUSED, "api_key.not_found")


def test_an_unknown_scope_or_workspace_makes_no_key(sautikitd: Command, workspace_id: str) -> None:
    bad_scope = sautikitd(
        "key", "create", "--workspace", workspace_id, "--mode", "test", "--scopes", "calls.fly", "--json"
    )
    assert bad_scope.status == Exit.REFUSED
    assert "calls.fly" not in bad_scope.data["error"]["message"]
    nobody = sautikitd("key", "create", "--workspace", str(uuid4()), "--mode", "test", "--json")
    assert nobody.data["error"]["code"] == "accounts.workspace_not_found"


def test_showing_the_signing_secret_is_noted(sautikitd: Command, workspace_id: str, owner_url: str) -> None:
    shown = sautikitd("signing-secret", "show", "--workspace", workspace_id, "--mode", "live", "--json")
    assert shown.data["secret"].startswith("whsec_")
    assert asked(owner_url, "SELECT count(*) FROM audit_log WHERE action = 'signing_secret.show'") == 1


def test_an_adjustment_moves_money_with_its_reason_and_the_books_stay_right(
    sautikitd: Command, workspace_id: str, owner_url: str
) -> None:
    adjust = ("wallet", "adjust", "--workspace", workspace_id, "--mode", "live", "--json")
    entry = sautikitd(*adjust, "--amount-minor", "50000", "--reason", "Goodwill").data["entry"]
    assert entry["balance_after_minor"] == 50000
    taken = sautikitd(*adjust, "--amount-minor", "-20000", "--reason", "Typing error").data["entry"]
    assert taken["balance_after_minor"] == 30000
    assert asked(owner_url, "SELECT count(*) FROM audit_log WHERE action = 'wallet.adjust'") == 2
    audit = sautikitd("ledger", "audit", "--json")
    assert (audit.status, audit.data) == (Exit.OK, {"ok": True, "findings": [], "seal": None})


def test_an_adjustment_by_nothing_or_for_no_reason_is_refused(sautikitd: Command, workspace_id: str) -> None:
    answer = sautikitd(
        "wallet", "adjust", "--workspace", workspace_id, "--mode", "live", "--amount-minor", "0",
        "--reason", " ", "--json",
    )  # fmt: skip
    assert answer.status == Exit.REFUSED
    assert [field["pointer"] for field in answer.data["error"]["fields"]] == ["/amount_minor", "/reason"]


def test_an_amount_beyond_all_measure_is_a_mistake_on_the_command_line(
    sautikitd: Command, workspace_id: str
) -> None:
    wallet = ("--workspace", workspace_id, "--mode", "live", "--json")
    amount = str(10**20)
    adjusted = sautikitd("wallet", "adjust", *wallet, "--amount-minor", amount, "--reason", "Typo")
    assert adjusted.status == Exit.USAGE
    shown = sautikitd("wallet", "limit", *wallet[:-1], "--daily-minor", "50000").output.splitlines()
    assert shown == ["Caps on live calls", "  a day   KES 500.00", "  a call  no cap"]
    capped = sautikitd("wallet", "limit", *wallet, "--daily-minor", amount)
    assert (capped.status, capped.data["error"]["code"]) == (Exit.REFUSED, "request.invalid")


def test_the_ledger_audit_ends_with_1_when_the_books_are_wrong(
    sautikitd: Command, workspace_id: str, owner_url: str
) -> None:
    asked(owner_url, "UPDATE wallets SET held_minor = 7 RETURNING 1")
    audit = sautikitd("ledger", "audit", "--json")
    assert audit.status == Exit.FOUND
    (finding,) = audit.data["findings"]
    assert workspace_id in finding["row"]
    assert "7" in finding["problem"]


def test_a_seal_that_was_noted_down_has_to_be_there_unchanged(sautikitd: Command) -> None:
    noted = f"7:{'ab' * 32}"
    audit = sautikitd("ledger", "audit", "--seal", noted, "--json")
    assert audit.status == Exit.FOUND
    assert [finding["problem"] for finding in audit.data["findings"]] == ["it was noted, and is not there"]
    assert sautikitd("ledger", "audit", "--seal", "7:abc", "--json").status == Exit.REFUSED


def test_an_inventory_file_is_taken_whole_or_not_at_all(sautikitd: Command, tmp_path: Path) -> None:
    file = tmp_path / "numbers.csv"
    header = "e164,type,locality,monthly_price_minor\n"
    file.write_text(header + "+254205000001,local,Nairobi,10000\n+254999,local,Nairobi,10000\n")
    refused = sautikitd("inventory", "import", str(file), "--json")
    assert refused.status == Exit.REFUSED
    assert [problem["line"] for problem in refused.data["error"]["problems"]] == [3]
    file.write_text(header + "+254205000001,local,Nairobi,x\n+254999,local,Nairobi,10000\n")
    told = sautikitd("inventory", "import", str(file)).errors.splitlines()
    assert told[0] == "sautikitd: Nothing was imported: 2 lines are wrong."
    assert [line.split(":")[0] for line in told[1:]] == ["  line 2", "  line 3"]
    file.write_bytes(header.encode() + "+254205000001,local,Kéricho,10000\n".encode("latin-1"))
    assert "not UTF-8" in sautikitd("inventory", "import", str(file)).errors
    file.write_text(header + "+254205000001,local,Nairobi,10000\n")
    assert sautikitd("inventory", "import", str(file), "--json").data == {"added": 1, "updated": 0}
    assert sautikitd("inventory", "import", str(file), "--json").data == {"added": 0, "updated": 1}
