"""Refusals of destinations (contract §4.1, §12)."""

from sautikitd.errors import Refusal


class EmergencyUnsupported(Refusal):
    code = "calls.emergency_unsupported"
    status = 403
    told_first = True
    message = "Emergency services (999, 112, 911) cannot be reached through this platform. Dial them from an ordinary phone."


class DestinationForbidden(Refusal):
    code = "calls.destination_forbidden"
    status = 403
    message = (
        "This workspace may not call {called}. Open are {open}. Ask support to have a destination opened."
    )
