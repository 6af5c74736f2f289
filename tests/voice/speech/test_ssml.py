"""Only the published subset of SSML reaches the synthesiser."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sautikitd.flow.port import PromptUnavailable
from sautikitd.voice.speech.ssml import cleaned_ssml


def test_the_subset_is_kept() -> None:
    fragment = '<p><s>A <emphasis level="strong">b</emphasis> <sub alias="c">d</sub></s></p>'
    assert cleaned_ssml(fragment) == f"<speak>{fragment}</speak>"


def test_other_elements_leave_their_text() -> None:
    fragment = 'Hear <audio src="file:///etc/passwd">this</audio> <voice name="x">and <b>that</b></voice>.'
    assert cleaned_ssml(fragment) == "<speak>Hear this and that.</speak>"


def test_other_attributes_are_dropped() -> None:
    assert (
        cleaned_ssml('<prosody rate="slow" src="x">a</prosody>')
        == '<speak><prosody rate="slow">a</prosody></speak>'
    )


@pytest.mark.parametrize(
    ("time", "kept"), [("2s", "2000ms"), ("1.5s", "1500ms"), ("99999s", "10000ms"), ("ages", "0ms")]
)
def test_breaks_are_bounded(time: str, kept: str) -> None:
    assert f'time="{kept}"' in cleaned_ssml(f'<break time="{time}"/>')


@pytest.mark.parametrize(
    "fragment", ['<!DOCTYPE a [<!ENTITY x "y">]>', "<?xml version='1.0'?>", "<p>", "</speak>"]
)
def test_what_is_not_a_plain_fragment_is_refused(fragment: str) -> None:
    with pytest.raises(PromptUnavailable):
        cleaned_ssml(fragment)


@given(st.text())
def test_any_text_is_cleaned_or_refused(fragment: str) -> None:
    try:
        cleaned = cleaned_ssml(fragment)
    except PromptUnavailable:
        return
    assert cleaned.startswith("<speak>")
