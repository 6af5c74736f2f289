import pytest

from sautikitd.identity.keys.models import network_of


@pytest.mark.parametrize(
    ("text", "network"),
    [
        ("197.248.3.4", "197.248.3.4/32"),
        ("197.248.3.4/16", "197.248.0.0/16"),
        ("2001:db8::1/64", "2001:db8::/64"),
        ("::ffff:197.248.3.4", "197.248.3.4/32"),
        ("::ffff:197.248.0.0/112", "197.248.0.0/16"),
        ("::ffff:0:0/96", "0.0.0.0/0"),
        ("::/0", "::/0"),
    ],
)
def test_a_network_is_written_as_whom_it_lets_in_is_seen(text: str, network: str) -> None:
    assert str(network_of(text)) == network


@pytest.mark.parametrize("text", ["", "x", "300.1.1.1", "10.0.0.0/33", "::/129", "10.0.0.1-10.0.0.9"])
def test_what_is_no_network_is_none(text: str) -> None:
    assert network_of(text) is None
