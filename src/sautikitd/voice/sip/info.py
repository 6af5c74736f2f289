"""Digits that come in INFO requests instead of RTP (application/dtmf-relay, application/dtmf)."""

import re

from sautikitd.voice.sip.events import Info
from sautikitd.voice.sip.wire import Arrival

_SIGNAL = re.compile(r"^\s*Signal\s*=\s*(\S+)", re.IGNORECASE | re.MULTILINE)
_DURATION = re.compile(r"^\s*Duration\s*=\s*([0-9]{1,5})", re.IGNORECASE | re.MULTILINE)
_NUMBERED = {"10": "*", "11": "#", "12": "A", "13": "B", "14": "C", "15": "D"}  # RFC 4733 event numbers


def read_info(request: Arrival) -> Info | None:
    """The INFO as an event; None for one without a body, which only asks whether the dialog lives."""
    body = request.message.body
    if not body:
        return None
    content_type = request.header("Content-Type").split(";")[0].strip().lower()
    text = body[:256].decode("ascii", "replace")
    signal, duration = "", None
    if content_type == "application/dtmf-relay":
        if match := _SIGNAL.search(text):
            signal = match[1]
        if match := _DURATION.search(text):
            duration = int(match[1])
    elif content_type == "application/dtmf":
        signal = text.strip()
    signal = _NUMBERED.get(signal, signal.upper())
    digit = signal if re.fullmatch("[0-9*#A-D]", signal) else None
    return Info(content_type, body, digit, duration if digit else None)
