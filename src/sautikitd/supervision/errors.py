"""What supervision refuses."""

from sautikitd.errors import Refusal


class SupervisionInProgress(Refusal):
    code = "calls.supervision_in_progress"
    status = 409
    message = "Somebody supervises this call already ({supervision_id}). End that supervision first, or change its mode."


class NotSupervised(Refusal):
    code = "calls.not_supervised"
    status = 404
    message = "Nobody supervises this call. Begin with POST."


class SupervisorNotConnected(Refusal):
    code = "calls.supervision_not_connected"
    status = 409
    message = "The supervisor is still {state}; the mode can be changed once he is connected."
