"""Where other nodes are told to reach this one, when nobody has said it."""

import pytest

from sautikitd.roles.inside import inside_address
from sautikitd.settings import from_environment


@pytest.mark.parametrize(
    ("told", "inside"),
    [
        ({}, "127.0.0.1"),
        ({"SAUTIKIT_SIP": "10.1.2.3:5060", "SAUTIKIT_SIP_ADVERTISE": "203.0.113.7"}, "10.1.2.3"),
        ({"SAUTIKIT_SIP": "[::1]:5060"}, "::1"),
        ({"SAUTIKIT_SIP": "0.0.0.0:5060", "SAUTIKIT_SIP_ADVERTISE": "127.0.0.9"}, "127.0.0.1"),
        ({"SAUTIKIT_SIP": "localhost:5060"}, "127.0.0.1"),
        (
            {
                "SAUTIKIT_SIP": "0.0.0.0:5060",
                "SAUTIKIT_SIP_ADVERTISE": "203.0.113.7",
                "SAUTIKIT_INTERNAL_ADDRESS": "10.0.0.7",
            },
            "10.0.0.7",
        ),
        ({"SAUTIKIT_SIP": "10.1.2.3:5060", "SAUTIKIT_INTERNAL_ADDRESS": "[fd00::7]"}, "fd00::7"),
    ],
)
def test_it_is_the_setting_the_address_listened_on_or_the_machines_own(
    told: dict[str, str], inside: str
) -> None:
    assert inside_address(from_environment(told)) == inside
