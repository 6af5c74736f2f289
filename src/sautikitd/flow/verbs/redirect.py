from collections.abc import Iterator

from sautikitd.flow.callbacks.question import Method, Question
from sautikitd.flow.verbs.verb import Flaw, Reference, Run, Verb, reference_flaws, shortened


class RedirectVerb(Verb, frozen=True, kw_only=True, tag="redirect"):
    """Asks `url` how the call goes on. Does not answer an inbound call."""

    url: Reference
    method: Method = Method.POST

    def flaws(self) -> Iterator[Flaw]:
        yield from reference_flaws("url", self.url)

    async def execute(self, run: Run) -> None:
        await run.ask(Question(url=self.url, method=self.method))

    def told(self) -> str:
        return f"redirect to {shortened(self.url)}"
