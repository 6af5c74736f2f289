import re
from collections.abc import Iterator, Mapping
from typing import Annotated, ClassVar

import msgspec

from sautikitd.flow import port
from sautikitd.flow.ssml import SsmlInvalid, is_ssml, parse_ssml, passed_over
from sautikitd.flow.verbs.prompting import play_or_warn
from sautikitd.flow.verbs.verb import Flaw, Loop, Run, Verb, shortened

VOICES = frozenset({"woman", "man", "alice"})
LANGUAGES = frozenset({"en-KE", "sw-KE", "en-US", "en-GB", "en-TZ", "en-UG", "sw-TZ", "sw-UG", "en", "sw"})
ENGINE_VOICE = re.compile(r"(?:espeak|piper|http):[\w./+-]{1,64}")


class SayVerb(Verb, frozen=True, kw_only=True, tag="say"):
    """Speaks `text`: numbers, money, telephone numbers, dates and times are read as people say them.

    Text that starts with `<speak` is SSML: `say-as`, `break`, `emphasis`, `prosody` (rate, volume, pitch), `sub`,
    `p`, `s` and `lang`; anything else in it is passed over with a warning. `voice` is `woman`, `man` or `alice`, or
    one of an engine: `piper:NAME`, `http:NAME`, `espeak:m3`. `rate` is a factor on the normal speed.
    """

    answers: ClassVar[bool] = True
    takes_time: ClassVar[bool] = True

    text: Annotated[str, msgspec.Meta(min_length=1, max_length=4000)]
    voice: str = "woman"
    language: str = "en-KE"
    loop: Loop = 1
    rate: Annotated[float, msgspec.Meta(ge=0.5, le=2.0)] = 1.0

    @classmethod
    def passed_over(cls, fields: Mapping[str, object]) -> Iterator[Flaw]:
        voice, language = fields.get("voice"), fields.get("language")
        if isinstance(voice, str) and voice not in VOICES and not ENGINE_VOICE.fullmatch(voice):
            yield Flaw("voice", f"unknown voice {shortened(voice)!r}; speaking as woman")
        if isinstance(language, str) and language not in LANGUAGES:
            yield Flaw("language", f"unknown language {shortened(language)!r}; speaking en-KE")

    def flaws(self) -> Iterator[Flaw]:
        if is_ssml(self.text):
            try:
                parse_ssml(self.text)
            except SsmlInvalid as error:
                yield Flaw("text", str(error))

    def remarks(self) -> Iterator[Flaw]:
        if is_ssml(self.text):
            try:
                root = parse_ssml(self.text)
            except SsmlInvalid:  # a flaw, told above
                return
            for remark in passed_over(root):
                yield Flaw("text", remark)

    def prompts(self) -> list[port.Prompt]:
        """The speech, once."""
        ssml = is_ssml(self.text)
        return [port.Say(text=self.text, voice=self.voice, language=self.language, rate=self.rate, ssml=ssml)]

    async def execute(self, run: Run) -> None:
        await play_or_warn(run, self.prompts(), self.loop)

    def told(self) -> str:
        return f"say ({self.language}) {shortened(self.text)}"
