"""Which Daraja an installation speaks to, from its settings; and addresses nobody can guess."""

import re
from pathlib import Path
from uuid import UUID

import pytest

from sautikitd.payments import accounts
from sautikitd.payments.accounts import CallbackPaths, DarajaAccounts
from sautikitd.payments.sources import Sources
from sautikitd.settings import SettingInvalid, from_environment

LIVE = {
    "SAUTIKIT_DARAJA_URL": "https://api.safaricom.co.ke",
    "SAUTIKIT_DARAJA_CONSUMER_KEY": "key",
    "SAUTIKIT_DARAJA_CONSUMER_SECRET": "secret",
    "SAUTIKIT_DARAJA_SHORTCODE": "600100",
    "SAUTIKIT_DARAJA_PASSKEY": "pass",
}


def of(environment: dict[str, str]) -> DarajaAccounts:
    return accounts.accounts_of(from_environment(environment))


def test_test_mode_speaks_to_the_simulator_on_this_machine_whatever_is_set() -> None:
    for environment in ({}, LIVE):
        test = of(environment).test
        assert (test.base_url, test.callback_base) == ("http://127.0.0.1:8090", "http://127.0.0.1:8080")


def test_live_needs_everything() -> None:
    assert of(LIVE).live is not None
    for missing in LIVE:
        assert of({name: value for name, value in LIVE.items() if name != missing}).live is None, missing


def test_secrets_come_from_files_too(tmp_path: Path) -> None:
    (tmp_path / "secret").write_text("from a file\n")
    live = of({**LIVE, "SAUTIKIT_DARAJA_CONSUMER_SECRET": f"@{tmp_path}/secret"}).live
    assert live is not None
    assert live.consumer_secret == "from a file"
    with pytest.raises(SettingInvalid, match="cannot be read"):
        of({**LIVE, "SAUTIKIT_DARAJA_PASSKEY": "@/nowhere"})


def test_live_callbacks_are_believed_from_safaricom_alone() -> None:
    sources = Sources(of(LIVE))
    assert sources.believed("live", "196.201.212.69")
    assert sources.believed("live", "::ffff:196.201.214.200")
    for address in ("127.0.0.1", "196.201.212.70", "", "somewhere"):
        assert not sources.believed("live", address), address
    assert not Sources(of({})).believed("live", "196.201.212.69")


def test_a_callback_address_that_daraja_bans_is_refused_at_start_up() -> None:
    with pytest.raises(SettingInvalid, match="mpesa"):
        of({**LIVE, "SAUTIKIT_CALLBACK_URL": "https://mpesa.example.co.ke"})
    live = of({**LIVE, "SAUTIKIT_CALLBACK_URL": "https://Pay.Example.co.ke"}).live
    assert live is not None
    assert live.callback_base == "https://pay.example.co.ke"


def test_paths_are_unguessable_and_hold_no_banned_word() -> None:
    paths, topup_id = CallbackPaths(bytes(32)), UUID(int=5)
    written = [paths.stk(topup_id), *(paths.paybill(mode, "confirmation") for mode in ("live", "test"))]
    for path in written:
        assert re.search(r"/[0-9a-f]{40}", path)
        assert not any(word in path for word in ("mpesa", "safaricom", "exe", "exec", "cmd", "sql", "query"))
    token = paths.stk(topup_id).rpartition("/")[2]
    assert paths.opens_stk(topup_id, token)
    assert not paths.opens_stk(UUID(int=6), token)
    assert not paths.opens_stk(topup_id, "é" * 40)
    assert CallbackPaths(b"another key").stk(topup_id) != paths.stk(topup_id)


def test_reversals_need_initiator_password_and_certificate(tmp_path: Path) -> None:
    assert of(LIVE).live is not None
    initiator = {"SAUTIKIT_DARAJA_INITIATOR": "api", "SAUTIKIT_DARAJA_INITIATOR_PASSWORD": "hush"}
    without = of(LIVE | initiator).live
    assert without is not None
    assert not without.has_initiator
    (tmp_path / "daraja.pem").write_text("no certificate")
    with pytest.raises(SettingInvalid, match="SAUTIKIT_DARAJA_CERTIFICATE") as refused:
        of({**LIVE, **initiator, "SAUTIKIT_DARAJA_CERTIFICATE": f"{tmp_path}/daraja.pem"})
    assert "hush" not in str(refused.value)
