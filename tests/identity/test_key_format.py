import pytest
from hypothesis import given
from hypothesis import strategies as st

from sautikitd.events.models import Mode
from sautikitd.identity.keys.format import ALPHABET, checksum, hint_of, mode_of, new_key


@pytest.mark.parametrize("mode", ["live", "test"])
def test_a_key_tells_its_mode_offline(mode: Mode) -> None:
    key = new_key(mode)
    assert mode_of(key) == mode
    assert key.startswith(f"tsk_{mode}_")
    assert len(key) == len("tsk_live_") + 40


def test_the_checksum_is_crc32_in_base62() -> None:
    assert checksum("123456789") == "3jZRME"  # CRC32 0xcbf43926


@given(st.integers(min_value=0, max_value=48), st.sampled_from(ALPHABET))
def test_one_wrong_character_is_always_found(place: int, character: str) -> None:
    key = new_key("test")
    wrong = key[:place] + character + key[place + 1 :]
    assert (mode_of(wrong) is None) == (wrong != key)


NO_KEYS = ["", "tsk_live_", "sk_live_" + "0" * 40, new_key("live") + "0", new_key("test") + "\n"]


@pytest.mark.parametrize("text", NO_KEYS, ids=["empty", "prefix", "foreign", "long", "newline"])
def test_other_text_is_no_key(text: str) -> None:
    assert mode_of(text) is None


def test_the_hint_does_not_give_the_key_away() -> None:
    key = new_key("live")
    assert len(hint_of(key)) == 16
    assert key not in hint_of(key)
