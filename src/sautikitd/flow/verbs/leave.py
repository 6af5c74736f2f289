from sautikitd.flow.verbs.verb import Run, Verb


class LeaveVerb(Verb, frozen=True, kw_only=True, tag="leave"):
    """In what the `waitUrl` of an `enqueue` answers: the caller leaves the queue, as `queueResult` `leave`, and his flow
    goes on after the `enqueue`. Anywhere else it is passed over."""

    async def execute(self, run: Run) -> None:
        run.warn("leave has a meaning only in what the waitUrl of an enqueue answers; passed over")
