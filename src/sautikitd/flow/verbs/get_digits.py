from collections.abc import Iterator, Mapping
from typing import Annotated, ClassVar

import msgspec

from sautikitd.flow.callbacks.question import Method, Question, SessionState, masked
from sautikitd.flow.port import Collected, Prompt, PromptUnavailable
from sautikitd.flow.verbs.play import PlayVerb
from sautikitd.flow.verbs.say import SayVerb
from sautikitd.flow.verbs.verb import Flaw, Keys, Reference, References, Run, Verb, reference_flaws

DEFAULT_TIMEOUT_S = 5


class GetDigitsVerb(Verb, frozen=True, kw_only=True, tag="getDigits"):
    """Gathers key presses while or after its `nested` prompts play; the first one cuts them short.

    With input, `action` (by `method`; default: the voice callback) is asked and its reply replaces the flow; where
    there is nobody to ask, the next verb runs. Without input it starts again `retries` times, and then
    the next verb runs. `timeout` (seconds, 0 = 5) runs from the end of the prompts and from each digit.
    `sensitive` masks the digits in every log and event.
    """

    answers: ClassVar[bool] = True
    takes_time: ClassVar[bool] = True
    nested_verbs: ClassVar[Mapping[str, frozenset[str]]] = {"nested": frozenset({"say", "play"})}

    num_digits: Annotated[int, msgspec.Meta(ge=0, le=64)] = 0
    timeout: Annotated[int, msgspec.Meta(ge=0, le=120)] = DEFAULT_TIMEOUT_S
    finish_on_key: Keys = "#"
    nested: tuple[SayVerb | PlayVerb, ...] = ()
    action: Reference | None = None
    method: Method = Method.POST
    retries: Annotated[int, msgspec.Meta(ge=0, le=10)] = 0
    sensitive: bool = False

    def flaws(self) -> Iterator[Flaw]:
        yield from reference_flaws("action", self.action)

    async def execute(self, run: Run) -> None:
        for _ in range(self.retries + 1):
            collected = await self._collect(run)
            if collected.digits:
                await self._hand_over(run, collected.digits)
                return
        run.tell(digits="")

    def prompts(self, run: References) -> tuple[Prompt, ...]:
        """Those that are `nested`."""
        prompts: list[Prompt] = []
        for verb in self.nested:
            once = verb.prompts() if isinstance(verb, SayVerb) else verb.prompts(run)
            prompts += once * max(1, verb.loop)
        return tuple(prompts)

    async def _collect(self, run: Run) -> Collected:
        prompts = self.prompts(run)
        try:
            return await self._listen(run, prompts)
        except PromptUnavailable as error:
            run.warn(f"listening without the prompts: {error}", field="nested")
            return await self._listen(run, ())

    async def _listen(self, run: Run, prompts: tuple[Prompt, ...]) -> Collected:
        return await run.leg.collect(
            max_digits=self.num_digits,
            finish_on_key=self.finish_on_key,
            timeout_s=self.timeout or DEFAULT_TIMEOUT_S,
            prompts=prompts,
        )

    async def _hand_over(self, run: Run, digits: str) -> None:
        if self.sensitive:
            run.hide(digits)
        run.tell(digits=masked(digits) if self.sensitive else digits)
        question = (
            Question(url=self.action, method=self.method) if self.action is not None else run.voice_callback
        )
        if question is not None:
            await run.ask(
                msgspec.structs.replace(
                    question, state=SessionState.DIGITS_COLLECTED, digits=digits, sensitive=self.sensitive
                )
            )

    def told(self) -> str:
        wanted = f"{self.num_digits} digits" if self.num_digits else "digits"
        prompts = "; ".join(verb.told() for verb in self.nested[:3])
        return f"getDigits: {wanted}" + (f" after: {prompts}" if prompts else "")
