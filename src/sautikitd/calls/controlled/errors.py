"""What controlled calls refuse."""

from sautikitd.errors import Refusal


class NotControlled(Refusal):
    code = "calls.not_controlled"
    status = 409
    message = 'This call has no controller: it was placed without `control: "mcp"`. Replace its flow with PATCH instead.'


class TurnOver(Refusal):
    code = "calls.control_turn_over"
    status = 409
    message = (
        "There is no open turn {turn}: it was answered already, or its time is over, or a new flow took its place. "
        "Read the next `turn` from control/events and answer that."
    )
