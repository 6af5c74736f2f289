"""What rooms and queues refuse."""

from sautikitd.errors import Refusal


class ConferenceNotFound(Refusal):
    code = "conferences.not_found"
    status = 404
    message = "There is no conference {reference} in this workspace and mode. Its id will do, or the name of a live one."


class ConferenceEnded(Refusal):
    code = "conferences.ended"
    status = 409
    message = "The conference has ended; nothing can be done in it any more."


class ParticipantNotFound(Refusal):
    code = "conferences.participant_not_found"
    status = 404
    message = "The call {reference} is not in this conference now."


class CallerQueueNotFound(Refusal):
    code = "queues.not_found"
    status = 404
    message = "There is no queue {reference} in this workspace and mode. Both its id and its name will do."


class QueueMemberNotFound(Refusal):
    code = "queues.member_not_found"
    status = 404
    message = "The call {reference} does not wait in this queue now."
