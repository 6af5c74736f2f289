"""One answer of a wait URL: `say`, `play`, `pause` and `redirect`, in a queue also `getDigits`, `leave` and `hangup`."""

from collections.abc import Callable
from typing import TYPE_CHECKING
from urllib.parse import urljoin, urlsplit

import msgspec

from sautikitd.flow.callbacks.question import Question
from sautikitd.flow.port import Prompt, Silence
from sautikitd.flow.rooms_port import Gathering, Sound, WaitEnd
from sautikitd.flow.verbs.get_digits import DEFAULT_TIMEOUT_S, GetDigitsVerb
from sautikitd.flow.verbs.hangup import HangupVerb
from sautikitd.flow.verbs.leave import LeaveVerb
from sautikitd.flow.verbs.pause import PauseVerb
from sautikitd.flow.verbs.play import PlayVerb
from sautikitd.flow.verbs.redirect import RedirectVerb
from sautikitd.flow.verbs.say import SayVerb

if TYPE_CHECKING:  # it knows every verb
    from sautikitd.flow.document import Flow
    from sautikitd.flow.verbs.registry import AnyVerb

NO_MEANING = "has no meaning for one who waits; passed over"


class WaitingFlow:
    """Heard piece by piece, each up to where keys are waited for or it ends. `base_url` gave it, and is what its
    relative URLs are relative to."""

    def __init__(self, flow: "Flow", base_url: str, warn: Callable[[str], None], *, in_queue: bool) -> None:
        self.base_url = base_url
        self.leads_to: Question | None = None
        """Where a `redirect` leads once this is heard."""
        self.asked_for: Question | None = None
        """Who is told of the keys that the last piece waited for."""
        self._left: list[AnyVerb] = list(flow.actions)
        self._tell = warn
        self._in_queue = in_queue

    @property
    def goes_on(self) -> bool:
        """Whether there is another piece, for one who has pressed nothing."""
        return bool(self._left)

    def absolute(self, reference: str) -> str | None:
        try:
            return reference if urlsplit(reference).scheme else urljoin(self.base_url, reference)
        except ValueError:
            return None

    def warn(self, reason: str, *, field: str = "") -> None:
        self._tell(f"{field}: {reason}" if field else reason)

    def sound(self) -> Sound:
        """The next piece."""
        prompts: list[Prompt] = []
        while self._left:
            verb = self._left.pop(0)
            match verb:
                case SayVerb():
                    prompts += verb.prompts() * max(1, verb.loop)
                case PlayVerb():
                    prompts += verb.prompts(self) * max(1, verb.loop)
                case PauseVerb():
                    prompts.append(Silence(duration_ms=verb.length * 1000))
                case RedirectVerb():
                    self._left.clear()
                    self.leads_to = self._question(verb.url, verb)
                case GetDigitsVerb() if self._in_queue:
                    return Sound(prompts=tuple(prompts), keys=self._gathering(verb))
                case LeaveVerb() if self._in_queue:
                    return Sound(prompts=tuple(prompts), end=WaitEnd.LEAVE)
                case HangupVerb() if self._in_queue:
                    return Sound(prompts=tuple(prompts), end=WaitEnd.HANGUP)
                case _:
                    self.warn(f"{verb.verb_name()} {NO_MEANING}")
        return Sound(prompts=tuple(prompts))

    def _gathering(self, verb: GetDigitsVerb) -> Gathering:
        if verb.retries:
            self._left.insert(0, msgspec.structs.replace(verb, retries=verb.retries - 1))
        asked = self._question(verb.action or self.base_url, verb)
        self.asked_for = msgspec.structs.replace(asked, sensitive=verb.sensitive) if asked else None
        return Gathering(
            most=verb.num_digits,
            finish_on_key=verb.finish_on_key,
            timeout_s=verb.timeout or DEFAULT_TIMEOUT_S,
            prompts=verb.prompts(self),
        )

    def _question(self, reference: str, verb: RedirectVerb | GetDigitsVerb) -> Question | None:
        url = self.absolute(reference)
        return None if url is None else Question(url=url, method=verb.method)
