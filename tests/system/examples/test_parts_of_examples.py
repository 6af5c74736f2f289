"""What the examples consist of, without a call."""

import time
from pathlib import Path

import payment_reminders
from ai_agent import Ear, tone
from payment_reminders import Reminder
from sautikitd.egress.signatures import sign
from sautikitd.voice.speech.reading.grammar import read_out
from voice_app import Sautikit

OURS, OLDER, STRANGERS = "whsec_b3Vycw==", "whsec_b2xkZXI=", "whsec_c3RyYW5nZXI="


def test_an_ear_takes_no_click_for_a_turn() -> None:
    ear, silence = Ear(), bytes(640)
    heard = [ear.hear(frame) for frame in [silence, tone(500, 0.02), *[silence] * 60]]
    assert not any(began or turn for began, turn in heard)


def test_a_signature_is_taken_from_either_secret_while_it_is_changed_and_not_when_stale() -> None:
    now, api = int(time.time()), Sautikit("", "", [OURS, OLDER])
    assert api.vouches_for(b"body", sign(b"body", [OURS], now))
    assert api.vouches_for(b"body", sign(b"body", [STRANGERS, OLDER], now))
    assert not api.vouches_for(b"body", sign(b"body", [STRANGERS], now))
    assert not api.vouches_for(b"another", sign(b"body", [OURS], now))
    assert not api.vouches_for(b"body", sign(b"body", [OURS], now - 400))
    assert not any(api.vouches_for(b"body", header) for header in ("", "t=", "v1=ab", "t=²,v1=ab"))


def test_the_amount_and_the_day_are_read_as_people_say_them() -> None:
    swahili = Reminder("DK-1", "Asha", "+254712000001", "sw", "2450.50", "2026-12-05")
    english = Reminder("DK-2", "Brian", "+254712000001", "en", "12000", "2026-12-05")
    assert "shilingi elfu mbili, mia nne na hamsini na senti hamsini" in read_out(swahili.text, "sw-KE")
    heard = read_out(english.text, "en-KE")
    assert "twelve thousand shillings" in heard
    assert "the fifth of December, twenty twenty-six" in heard


def test_the_list_that_comes_along_can_be_read() -> None:
    listed = payment_reminders.read_list(Path(payment_reminders.__file__).with_name("customers.csv"))
    assert [one.phone[:5] for one in listed] == ["+2547"] * 4
