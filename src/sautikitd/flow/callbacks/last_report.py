"""The last report of a call: how it ended, told once, its reply ignored."""

from sautikitd.flow.callbacks.client import CallbackClient, Scrub
from sautikitd.flow.callbacks.question import Question, SessionState
from sautikitd.flow.callbacks.vocabulary import Asking, EndReport
from sautikitd.flow.context import CallOutcome, FlowContext


async def send_last_report(
    client: CallbackClient, context: FlowContext, outcome: CallOutcome, scrub: Scrub = str
) -> None:
    """To whom the vocabulary sends it: the voice callback, or the status callback. Takes up to ten seconds; that it did
    not get through stands in the callback log."""
    question = _voice_callback(context)
    if client.end_report is EndReport.STATUS_CALLBACK:
        url = context.status_callback_url
        question = Question(url=url) if url is not None else None
    if question is None:
        return
    asking = Asking(
        context=context,
        question=question,
        state=SessionState.COMPLETED,
        duration_seconds=outcome.duration_seconds,
        outcome=outcome,
    )
    await client.report(asking, scrub)


def _voice_callback(context: FlowContext) -> Question | None:
    url = context.voice_callback_url
    return Question(url=url, method=context.voice_method) if url else None
