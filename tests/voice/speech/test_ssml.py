"""Only the published subset of SSML reaches the synthesiser, with its figures in words."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sautikitd.flow.port import PromptUnavailable
from sautikitd.flow.ssml import parse_ssml, passed_over
from sautikitd.voice.speech.reading.grammar import read_out
from sautikitd.voice.speech.ssml import Marked, rendered_ssml


def rendered(fragment: str, language: str = "en-KE") -> Marked:
    return rendered_ssml(fragment, language, read_out)


def test_the_subset_is_kept() -> None:
    made = rendered('<p><s>A <emphasis level="strong">b</emphasis> <sub alias="c">d</sub></s></p>')
    assert made.ssml == '<speak><p><s>A <emphasis level="strong">b</emphasis> c</s></p></speak>'
    assert made.text == "A b c"


def test_other_elements_leave_their_text() -> None:
    made = rendered(
        'Hear <audio src="file:///etc/passwd">this</audio> <voice name="x">and <b>that</b></voice>.'
    )
    assert made.ssml == "<speak>Hear this and that.</speak>"


def test_other_attributes_and_values_are_dropped() -> None:
    assert rendered('<prosody rate="slow" volume="deafening" src="x">a</prosody>').ssml == (
        '<speak><prosody rate="slow">a</prosody></speak>'
    )


def test_decibels_become_what_the_engine_understands() -> None:
    assert 'volume="50%"' in rendered('<prosody volume="-6dB">a</prosody>').ssml


@pytest.mark.parametrize(
    ("time", "kept"), [("2s", "2000ms"), ("1.5s", "1500ms"), ("99999s", "10000ms"), ("250ms", "250ms")]
)
def test_breaks_are_bounded(time: str, kept: str) -> None:
    assert f'time="{kept}"' in rendered(f'<break time="{time}"/>').ssml


@pytest.mark.parametrize(
    ("interpret_as", "written", "language", "said"),
    [
        ("cardinal", "1,234", "en-KE", "one thousand two hundred and thirty-four"),
        ("ordinal", "3", "en-KE", "third"),
        ("ordinal", "3", "sw-KE", "ya tatu"),
        ("digits", "482913", "sw-KE", "nne nane mbili, tisa moja tatu"),
        ("characters", "AB-12", "en-KE", "A B dash one two"),
        ("spell-out", "KBX", "en-KE", "K B X"),
        ("telephone", "0722000111", "en-KE", "zero seven two two, zero zero zero, one one one"),
        ("date", "1/2/2026", "en-KE", "the first of February, twenty twenty-six"),
        ("time", "14:30", "sw-KE", "saa nane na nusu mchana"),
        ("currency", "USD 20", "sw-KE", "dola ishirini"),
        ("currency", "75.50", "en-KE", "seventy-five shillings and fifty cents"),
    ],
)
def test_say_as_is_read_as_it_says(interpret_as: str, written: str, language: str, said: str) -> None:
    made = rendered(f'<say-as interpret-as="{interpret_as}">{written}</say-as>', language)
    assert made.text == said
    assert made.ssml == f"<speak>{said}</speak>"


def test_the_format_of_a_date_says_what_comes_first() -> None:
    assert (
        "the second of January" in rendered('<say-as interpret-as="date" format="mdy">1/2/2026</say-as>').text
    )


def test_a_passage_in_another_language_is_read_in_it() -> None:
    made = rendered('You owe 5. <lang xml:lang="sw-KE">Unadaiwa 5.</lang>')
    assert made.ssml == '<speak>You owe five. <voice xml:lang="sw-KE">Unadaiwa tano.</voice></speak>'


def test_what_is_passed_over_is_told_once_each() -> None:
    root = parse_ssml(
        '<speak><phoneme ph="a">x</phoneme><phoneme ph="b">y</phoneme><audio/><prosody contour="z">a</prosody></speak>'
    )
    remarks = list(passed_over(root))
    assert len(remarks) == 3
    assert "<phoneme> is not supported" in remarks[0]
    assert "<audio>" in remarks[1]
    assert "contour" in remarks[2]


@pytest.mark.parametrize(
    "fragment",
    [
        '<!DOCTYPE a [<!ENTITY x "y">]>',
        "<?xml version='1.0'?>",
        "<p>",
        "</speak>",
        "<p>" * 400 + "</p>" * 400,
    ],
)
def test_what_is_not_a_plain_fragment_is_refused(fragment: str) -> None:
    with pytest.raises(PromptUnavailable):
        rendered(fragment)


@given(st.text())
def test_any_text_is_rendered_or_refused(fragment: str) -> None:
    try:
        made = rendered(fragment)
    except PromptUnavailable:
        return
    assert made.ssml.startswith("<speak>")
