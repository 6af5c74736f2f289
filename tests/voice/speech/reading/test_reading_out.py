"""Figures in running text become the words that a Kenyan would say."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sautikitd.voice.speech.reading.grammar import read_out


@pytest.mark.parametrize(
    ("written", "said"),
    [
        ("Your balance is KES 1,250.50.", "one thousand two hundred and fifty shillings and fifty cents."),
        ("Pay Ksh. 1/-", "Pay one shilling"),
        ("500/= today", "five hundred shillings today"),
        ("Ksh 0.50", "fifty cents"),
        ("3 million shillings", "three million shillings"),
        ("KES 2.5 million", "two million five hundred thousand shillings"),
        ("$20 or GBP 3.01", "twenty dollars or three pounds and one penny"),
        ("Call 0722 000 111", "zero seven two two, zero zero zero, one one one"),
        ("Call +254722000111", "plus two five four, seven two two, zero zero zero, one one one"),
        ("or 020 222 3344", "zero two zero two, two two three, three four four"),
        ("on 24/11/2026", "on the twenty-fourth of November, twenty twenty-six"),
        ("on 2005-01-02", "on the second of January, two thousand and five"),
        ("on the 3rd of May", "on the third of May"),
        ("Nov 24, 1999", "the twenty-fourth of November, nineteen ninety-nine"),
        ("at 14:30", "at two thirty p m"),
        ("at 2:05 pm", "at two oh five p m"),
        ("at 7am", "at seven a m"),
        ("at 9:30", "at nine thirty"),
        ("at 00:00", "at midnight"),
        ("12.5%", "twelve point five percent"),
        ("5 percent", "five percent"),
        ("your 21st call", "your twenty-first call"),
        ("Your OTP is 482913.", "four eight two, nine one three."),
        ("code: 4829", "code: four eight two nine"),
        ("Ref QFH7K2L9PQ", "Ref Q F H, seven K two, L nine P, Q"),
        ("QFH7K2L9 confirmed", "Q F H seven, K two L nine confirmed"),
        ("rooms 10-20", "rooms ten to twenty"),
        ("agent 007", "agent zero zero seven"),
        ("dial *544#", "dial star five four four hash"),
        ("1,000,000 people", "one million people"),
        ("id 12345678", "one two three four, five six seven eight"),
    ],
)
def test_english(written: str, said: str) -> None:
    assert said in read_out(written, "en-KE")


@pytest.mark.parametrize(
    ("written", "said"),
    [
        ("Salio ni KES 1,250.50.", "shilingi elfu moja, mia mbili na hamsini na senti hamsini."),
        ("Lipa shilingi 500", "Lipa shilingi mia tano"),
        ("Lipa 2000/=", "shilingi elfu mbili"),
        ("Msimbo wako ni 482913", "nne nane mbili, tisa moja tatu"),
        ("tarehe 24/11/2026", "tarehe ishirini na nne Novemba, mwaka wa elfu mbili ishirini na sita"),
        ("1 Mei", "tarehe mosi Mei"),
        ("saa 14:30", "saa nane na nusu mchana"),
        ("saa 1:00 asubuhi", "saa moja kamili asubuhi"),
        ("18:45", "saa moja kasorobo jioni"),
        ("06:15", "saa kumi na mbili na robo asubuhi"),
        ("mara ya 1 na ya 2", "ya kwanza na ya pili"),
        ("12.5%", "asilimia kumi na mbili nukta tano"),
        ("Piga 0722 000 111", "sifuri saba mbili mbili, sifuri sifuri sifuri, moja moja moja"),
        ("watu 20,001", "watu elfu ishirini, na moja"),
        ("kurasa 10-20", "kurasa kumi hadi ishirini"),
        ("nyuzi -5", "nyuzi hasi tano"),
    ],
)
def test_swahili(written: str, said: str) -> None:
    assert said in read_out(written, "sw-KE")


@pytest.mark.parametrize(
    "text",
    ["no figures here", "see https://example.test/24/11/2026 now", "mail a7@example.test", "version 1.2.3"],
)
def test_what_is_no_number_is_left_alone(text: str) -> None:
    assert read_out(text, "en-KE") == text


def test_a_language_we_do_not_read_is_left_to_the_synthesiser() -> None:
    assert read_out("le 24/11/2026 à 14:30", "fr-FR") == "le 24/11/2026 à 14:30"


def test_a_day_that_does_not_exist_is_no_day() -> None:
    assert "November" not in read_out("31/11/2026", "en-KE")


@given(st.text(), st.sampled_from(["en-KE", "sw-KE"]))
def test_any_text_is_read(text: str, language: str) -> None:
    read_out(text, language)


FIGURES = st.text("0123456789.,:/-+*# KESkshpamT%st", max_size=60)


@given(FIGURES, st.sampled_from(["en-KE", "sw-KE"]))
def test_any_jumble_of_figures_is_read(text: str, language: str) -> None:
    assert len(read_out(text, language)) < 40 * (len(text) + 1)
