"""All verbs. A new one is a file beside this, and a member of `AnyVerb`."""

from typing import get_args

from sautikitd.flow.verbs.answer import AnswerVerb
from sautikitd.flow.verbs.conference import ConferenceVerb
from sautikitd.flow.verbs.dequeue import DequeueVerb
from sautikitd.flow.verbs.dial import DialVerb
from sautikitd.flow.verbs.enqueue import EnqueueVerb
from sautikitd.flow.verbs.get_digits import GetDigitsVerb
from sautikitd.flow.verbs.hangup import HangupVerb
from sautikitd.flow.verbs.leave import LeaveVerb
from sautikitd.flow.verbs.pause import PauseVerb
from sautikitd.flow.verbs.play import PlayVerb
from sautikitd.flow.verbs.record import RecordVerb
from sautikitd.flow.verbs.redirect import RedirectVerb
from sautikitd.flow.verbs.reject import RejectVerb
from sautikitd.flow.verbs.ring import RingVerb
from sautikitd.flow.verbs.say import SayVerb
from sautikitd.flow.verbs.stop_stream import StopStreamVerb
from sautikitd.flow.verbs.stream import StreamVerb
from sautikitd.flow.verbs.transfer import TransferVerb
from sautikitd.flow.verbs.verb import Verb

AnyVerb = (
    SayVerb
    | PlayVerb
    | GetDigitsVerb
    | DialVerb
    | RecordVerb
    | RedirectVerb
    | AnswerVerb
    | RingVerb
    | RejectVerb
    | HangupVerb
    | PauseVerb
    | StreamVerb
    | StopStreamVerb
    | ConferenceVerb
    | EnqueueVerb
    | DequeueVerb
    | LeaveVerb
    | TransferVerb
)

VERBS: dict[str, type[Verb]] = {verb.verb_name(): verb for verb in get_args(AnyVerb)}
