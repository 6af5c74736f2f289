"""Usernames of devices: ours are told from what scanners try."""

import pytest

from sautikitd.devices.usernames import is_username, new_username


def test_every_username_is_another_and_known_again() -> None:
    made = {new_username() for _ in range(200)}
    assert len(made) == 200
    assert all(map(is_username, made))


@pytest.mark.parametrize(
    "text", ["100", "admin", "+254712000001", "", "d", "d" + "2" * 14, "D7K3M9QX2HFBTR4C"]
)
def test_what_we_never_gave_out_is_not_one(text: str) -> None:
    assert not is_username(text)


def test_a_mistyped_one_is_noticed() -> None:
    username = new_username()
    other = "3" if username[4] != "3" else "4"
    mistyped = [username[:4] + other + username[5:] for username in (new_username() for _ in range(20))]
    assert sum(map(is_username, mistyped)) <= 3
