"""Random valid actions."""

from hypothesis import strategies as st
from hypothesis.strategies import SearchStrategy

_says = st.builds(
    lambda text, loop: {"say": {"text": text, "loop": loop}},
    st.text(st.characters(exclude_categories=["Cs", "Cc"]), min_size=1, max_size=40),
    st.integers(0, 5),
)
_plays = st.sampled_from(
    [
        {"play": {"url": "/prompt.wav"}},
        {"play": {"url": "https://example.com/a.mp3", "loop": 0}},
        {"play": {"digits": "12w#"}},
        {"play": {"tone": "busy"}},
    ]
)
_digits = st.builds(
    lambda nested, action, retries, sensitive: {
        "getDigits": {"nested": nested, "retries": retries, "sensitive": sensitive}
        | ({"action": action} if action else {})
    },
    st.lists(_says | _plays, max_size=3),
    st.sampled_from([None, "/voice", "/nowhere", "menu"]),
    st.integers(0, 3),
    st.booleans(),
)
_others = st.sampled_from(
    [
        {"record": {"maxLength": 3}},
        {"record": {"action": "/voice"}},
        {"pause": {"length": 2}},
        {"redirect": {"url": "/voice"}},
        {"redirect": {"url": "https://unreachable.invalid/"}},
        {"answer": {}},
        {"ring": {"length": 3}},
        {"reject": {"reason": "busy"}},
        {"hangup": {}},
    ]
)
valid_actions: SearchStrategy[object] = _says | _plays | _digits | _others
