"""What a called number does, by its last four digits (contract §9)."""

from sautikitd.simulators.carrier.steps import (
    Answer,
    Beep,
    EarlyMedia,
    HangUp,
    HearPrompt,
    Listen,
    Press,
    Refuse,
    Ring,
    Say,
    Steps,
    Wait,
)
from sautikitd.voice.sip.causes import Reason

NEVER_S = 3000.0  # longer than anybody lets it ring
SUBSCRIBER_ABSENT = Reason("Q.850", 20, "Subscriber absent")

GREETING = "You have reached voicemail. Please leave a message after the tone."
SENTENCE = "Hello, this is the simulated carrier. I am listening."
UNREACHABLE = "The mobile subscriber cannot be reached."
UNREACHABLE_SWAHILI = "Mteja wa nambari uliyopiga hapatikani kwa sasa."

ORDINARY: Steps = (Ring(), Wait(1), Answer(), Listen())

BEHAVIOURS: dict[str, Steps] = {
    "0001": (Answer(), Listen()),
    "0002": (Ring(), Wait(10), Answer(), Listen()),
    "0003": (Refuse(486),),
    "0004": (Ring(), Wait(NEVER_S), Refuse(480)),
    "0005": (Refuse(603),),
    "0006": (Ring(), Wait(3), Answer(), Say(GREETING), Beep(), Listen()),
    "0007": (Answer(), HearPrompt(), Press("1"), Listen()),
    "0008": (Answer(), HearPrompt(), Press("1234#"), Listen()),
    "0009": (Answer(), Wait(0.5), Say(SENTENCE), Listen()),
    "0010": (Answer(), Wait(3), HangUp()),
    "0011": (Refuse(503),),
    "0012": (
        EarlyMedia(),
        Say(UNREACHABLE, "en-KE"),
        Say(UNREACHABLE_SWAHILI, "sw-KE"),
        Refuse(480, SUBSCRIBER_ABSENT),
    ),
}


def behaviour_of(called: str) -> Steps:
    """`called` is the user part of the Request-URI, in whatever way the number is written."""
    return BEHAVIOURS.get(called[-4:], ORDINARY)
