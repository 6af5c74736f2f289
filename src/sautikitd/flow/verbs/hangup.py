from sautikitd.flow.verbs.verb import Run, Verb


class HangupVerb(Verb, frozen=True, kw_only=True, tag="hangup"):
    """Ends the call; an unanswered inbound one is rejected, which costs nothing."""

    async def execute(self, run: Run) -> None:
        if run.inbound and not run.leg.answered:
            await run.leg.reject(busy=False)
        await run.leg.hang_up()
