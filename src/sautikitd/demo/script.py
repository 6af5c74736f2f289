"""What the demonstration says on the telephone: a voice callback URL answering in voice actions."""

from collections.abc import Mapping

GREETING = "Habari! This is your own telephone exchange, speaking from this computer."
QUESTION = "Please enter your code, followed by the hash key."
THANKS = "Asante sana. You pressed {digits}. Goodbye, and happy building."
SILENCE = "I heard no keys. Goodbye."


def reply_to(callback: Mapping[str, str]) -> dict[str, object]:
    """The actions for one callback of ours. Its fields are those of the `sautikit` format."""
    digits = callback.get("Digits", "")
    if digits:
        spoken = THANKS.format(digits=" ".join(digits))
        return {"actions": [{"say": {"text": spoken}}, {"hangup": {}}]}
    return {
        "actions": [
            {"say": {"text": GREETING}},
            {"getDigits": {"timeout": 6, "finishOnKey": "#", "nested": [{"say": {"text": QUESTION}}]}},
            {"say": {"text": SILENCE}},
        ]
    }
