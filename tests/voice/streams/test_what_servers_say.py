"""Whatever a server sends, it is understood or passed over."""

import json
from uuid import uuid4

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sautikitd.voice.streams.dialect import Dialect, NotUnderstood, Opening
from sautikitd.voice.streams.drachtio import Drachtio
from sautikitd.voice.streams.twilio import Twilio

OPENING = Opening(
    stream_id=str(uuid4()),
    call_id=str(uuid4()),
    session_id="HD_0123456789ab",
    workspace_id=str(uuid4()),
    from_="+254712000001",
    to="+254207000001",
    direction="inbound",
)
VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=6,
)
WORDS = ["killAudio", "playAudio", "mark", "clearMarks", "disconnect", "media", "clear", "json", "nothing"]
NAMES = ["audioContent", "audioContentType", "sampleRate", "name", "payload"]
INSIDE = st.dictionaries(st.sampled_from(NAMES), VALUES | st.sampled_from(["raw", "wav", "AAAA"]), max_size=4)
MESSAGES = st.fixed_dictionaries(
    {"type": st.sampled_from(WORDS), "event": st.sampled_from(WORDS)},
    optional={"data": INSIDE | VALUES, "media": INSIDE | VALUES, "mark": INSIDE | VALUES},
)


def _dialects() -> list[Dialect]:
    return [Drachtio(OPENING, sent_rate=16000, played_rate=16000), Twilio(OPENING, plays=True)]


def _say(message: str | bytes) -> None:
    for dialect in _dialects():
        try:
            dialect.understand(message)
        except NotUnderstood:
            continue


@settings(max_examples=300, deadline=None)
@given(MESSAGES.map(json.dumps) | VALUES.map(json.dumps) | st.text(max_size=50) | st.binary(max_size=50))
def test_no_message_is_anything_but_understood_or_passed_over(message: str | bytes) -> None:
    _say(message)


@pytest.mark.parametrize(
    "message", ['{"event": "media", "x": ' + "[" * 100_000, '{"type": "x", "data": ' + "[" * 100_000]
)
def test_depth_is_no_way_to_break_a_stream(message: str) -> None:
    _say(message)
