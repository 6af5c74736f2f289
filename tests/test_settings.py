"""Settings: flags before variables before defaults, and every refusal names the variable and a good value."""

from pathlib import Path

import pytest

from sautikitd.settings import Address, SettingInvalid, from_environment
from sautikitd.settings_variables import VARIABLES


def test_without_anything_said_everything_is_on_this_machine() -> None:
    settings = from_environment({})
    assert settings.http == Address("127.0.0.1", 8080)
    assert settings.sip == Address("127.0.0.1", 5060)
    assert settings.carrier.host == "127.0.0.1"
    assert settings.public_url == "http://127.0.0.1:8080"
    assert settings.database_url is None
    assert settings.master_keys == settings.data_dir / "master.keys"


def test_a_flag_goes_before_its_variable() -> None:
    settings = from_environment({"SAUTIKIT_HTTP": "127.0.0.1:1000"}, {"http": "127.0.0.1:2000"})
    assert settings.http.port == 2000


def test_a_child_process_reads_back_what_its_parent_was_told() -> None:
    settings = from_environment(
        {
            "SAUTIKIT_HTTP": "[::1]:9000",
            "SAUTIKIT_DEV": "yes",
            "SAUTIKIT_TRUSTED_PROXIES": "10.0.0.0/8,192.168.7.1",
            "SAUTIKIT_RATE_LIMIT": "5",
        }
    )
    assert from_environment(settings.environment()) == settings


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("SAUTIKIT_HTTP", "8080"),
        ("SAUTIKIT_HTTP", "localhost:99999"),
        ("SAUTIKIT_RTP_PORTS", "30000-20000"),
        ("SAUTIKIT_RTP_PORTS", "80-90"),
        ("DATABASE_URL", "mysql://localhost/x"),
        ("SAUTIKIT_DEV", "maybe"),
        ("SAUTIKIT_API_WORKERS", "0"),
        ("SAUTIKIT_PUBLIC_URL", "api.example.co.ke"),
        ("SAUTIKIT_TRUSTED_PROXIES", "10.0.0.1/8"),
        ("SAUTIKIT_RECORDINGS", "ftp://host/x"),
        ("SAUTIKIT_RATE_LIMIT", "fast"),
        ("SAUTIKIT_INTERNAL_ADDRESS", "node-7.internal"),
    ],
)
def test_a_value_that_cannot_be_used_is_refused_with_its_name_and_an_example(name: str, value: str) -> None:
    example = next(variable.example for variable in VARIABLES if variable.name == name)
    with pytest.raises(SettingInvalid) as refused:
        from_environment({name: value})
    assert name in str(refused.value)
    assert example in str(refused.value)


def test_a_database_url_is_never_repeated_since_a_password_may_be_in_it() -> None:
    with pytest.raises(SettingInvalid) as refused:
        from_environment({"DATABASE_URL": "mysql://me:hunter2@localhost/x"})
    assert "hunter2" not in str(refused.value)


def test_listening_everywhere_needs_an_address_to_give_out() -> None:
    with pytest.raises(SettingInvalid, match="SAUTIKIT_SIP_ADVERTISE"):
        from_environment({"SAUTIKIT_SIP": "0.0.0.0:5060"})
    settings = from_environment({"SAUTIKIT_SIP": "0.0.0.0:5060", "SAUTIKIT_SIP_ADVERTISE": "203.0.113.7"})
    assert settings.sip_advertise == "203.0.113.7"


@pytest.mark.parametrize("variable", VARIABLES, ids=lambda variable: variable.name)
def test_the_example_of_every_variable_is_a_good_value(variable: object, tmp_path: Path) -> None:
    name, example = variable.name, variable.example  # type: ignore[attr-defined]
    from_environment({"SAUTIKIT_DATA_DIR": str(tmp_path), name: example})
