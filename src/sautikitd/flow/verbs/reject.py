from enum import StrEnum

from sautikitd.flow.verbs.verb import Run, Verb


class RejectReason(StrEnum):
    REJECTED = "rejected"
    BUSY = "busy"


class RejectVerb(Verb, frozen=True, kw_only=True, tag="reject"):
    """Refuses an unanswered inbound call at no cost; any other call is hung up, with a warning."""

    reason: RejectReason = RejectReason.REJECTED

    async def execute(self, run: Run) -> None:
        if run.inbound and not run.leg.answered:
            await run.leg.reject(busy=self.reason is RejectReason.BUSY)
        run.warn("only an unanswered inbound call can be rejected; hanging up")
        await run.leg.hang_up()

    def told(self) -> str:
        return f"reject ({self.reason.value})"
