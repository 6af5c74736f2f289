from typing import ClassVar

from sautikitd.flow.verbs.verb import Run, Verb


class AnswerVerb(Verb, frozen=True, kw_only=True, tag="answer"):
    """Answers an inbound call now; does nothing on an answered one."""

    answers: ClassVar[bool] = True

    async def execute(self, run: Run) -> None:
        """Nothing is left to do: the interpreter has answered for every verb that answers."""
