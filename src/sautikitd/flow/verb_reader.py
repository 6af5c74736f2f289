"""Turns `{"say": {...}}` into a verb, naming every problem by its exact place. Serves every dialect."""

import re
from collections.abc import Mapping
from difflib import get_close_matches
from functools import cache
from typing import Any, cast

import msgspec

from sautikitd.flow.document import MAX_ACTIONS, FlowProblem, FlowWarning, ProblemCode
from sautikitd.flow.json_text import pointer_to
from sautikitd.flow.verbs.addresses import UrlTerms, forbidden_urls
from sautikitd.flow.verbs.registry import VERBS, AnyVerb
from sautikitd.flow.verbs.verb import Verb
from sautikitd.wording import in_plain_words

MAX_REASON = 300
"""Characters of a reason that may repeat what was sent."""

_PLACE = re.compile(r" - at `\$([^`]*)`$")
_STEP = re.compile(r"\.([A-Za-z_][A-Za-z0-9_]*)|\[([^\]]*)\]")


class ActionReader:
    """Reads actions one after the other, gathering problems and warnings.

    `strict=False` takes numbers and booleans written as text, which is all that XML attributes can be. With `urls`
    those are refused, too, that may not be asked.
    """

    def __init__(self, *, strict: bool = True, urls: UrlTerms | None = None) -> None:
        self.problems: list[FlowProblem] = []
        self.warnings: list[FlowWarning] = []
        self._strict = strict
        self._urls = urls
        self._forbidden = 0

    def read(self, item: object, pointer: str, allowed: frozenset[str] | None = None) -> AnyVerb | None:
        """The verb of one action, or None with at least one problem noted. `allowed` narrows the verbs."""
        if not isinstance(item, dict) or len(item) != 1:
            found = f"found {len(item)}" if isinstance(item, dict) else "this is not an object"
            self._refuse(
                ProblemCode.MALFORMED, pointer, f'an action is {{"verb": {{...}}}}, one verb; {found}'
            )
            return None
        name, fields = next(iter(item.items()))
        pointer = pointer_to(pointer, name)
        verb_class = VERBS.get(name)
        if verb_class is None:
            self._refuse_verb(str(name), pointer)
        elif allowed is not None and name not in allowed:
            self._refuse(
                ProblemCode.FIELD_INVALID, pointer, f"only {' and '.join(sorted(allowed))} may stand here"
            )
        elif fields is not None and not isinstance(fields, dict):
            self._refuse(ProblemCode.FIELD_INVALID, pointer, f"the attributes of {name} must be an object")
        else:
            return self.build(verb_class, fields or {}, pointer)
        return None

    def build(self, verb_class: type[Verb], fields: Mapping[str, object], pointer: str) -> AnyVerb | None:
        """A verb from its attributes (JSON names). A null attribute counts as absent."""
        before = self._unreadable
        known = _attributes(verb_class)
        given = {name: value for name, value in fields.items() if value is not None}
        self._pass_over_unknown(given, list(known), pointer)
        for flaw in verb_class.passed_over(given):
            given.pop(flaw.field)
            self._warn(pointer_to(pointer, flaw.field), flaw.reason)
        values: dict[str, Any] = {}
        for name, field in known.items():
            place = pointer_to(pointer, name)
            if name in given:
                values[field.name] = self._value(verb_class, name, field.type, given[name], place)
            elif field.required:
                self._refuse(ProblemCode.FIELD_REQUIRED, place, f"{name} is required")
        if self._unreadable > before:
            return None
        verb = verb_class(**values)
        for flaw in verb.flaws():
            place = f"{pointer}/{flaw.field}" if flaw.field else pointer
            self._refuse(ProblemCode(flaw.code), place, flaw.reason)
        if self._urls is not None and self._unreadable == before:
            for flaw in forbidden_urls(verb, self._urls):
                self._refuse(ProblemCode.FIELD_INVALID, pointer_to(pointer, flaw.field), flaw.reason)
                self._forbidden += 1
        for remark in verb.remarks():
            self._warn(pointer_to(pointer, remark.field), remark.reason)
        return cast("AnyVerb", verb)

    @property
    def _unreadable(self) -> int:
        """Problems but those of URLs, which hide nothing: the verb around one can still be read."""
        return len(self.problems) - self._forbidden

    def _value(self, verb_class: type[Verb], name: str, kind: Any, value: object, pointer: str) -> object:
        allowed = verb_class.nested_verbs.get(name)
        if allowed is not None:
            return self._nested(value, pointer, allowed)
        try:
            return msgspec.convert(value, kind, strict=self._strict)
        except msgspec.ValidationError as error:
            reason, place = _placed(str(error), pointer)
            self._refuse(ProblemCode.FIELD_INVALID, place, in_plain_words(reason, kind)[:MAX_REASON])
            return None

    def _nested(self, value: object, pointer: str, allowed: frozenset[str]) -> tuple[AnyVerb, ...]:
        if not isinstance(value, list) or len(value) > MAX_ACTIONS:
            reason = f"must be a list of at most {MAX_ACTIONS} actions"
            self._refuse(ProblemCode.FIELD_INVALID, pointer, reason)
            return ()
        verbs = [self.read(item, f"{pointer}/{index}", allowed) for index, item in enumerate(value)]
        return tuple(verb for verb in verbs if verb is not None)

    def _pass_over_unknown(self, given: dict[str, object], known: list[str], pointer: str) -> None:
        for name in [name for name in given if name not in known]:
            del given[name]
            self._warn(pointer_to(pointer, name), "unknown attribute; passed over", nearest(name, known))

    def _refuse_verb(self, name: str, pointer: str) -> None:
        meant = nearest(name, list(VERBS))
        self._refuse(ProblemCode.VERB_UNKNOWN, pointer, f"unknown verb {name[:100]!r}", meant)

    def _refuse(self, code: ProblemCode, pointer: str, reason: str, meant: str | None = None) -> None:
        self.problems.append(FlowProblem(code=code, pointer=pointer, reason=reason, suggestion=meant))

    def _warn(self, pointer: str, reason: str, meant: str | None = None) -> None:
        self.warnings.append(FlowWarning(pointer=pointer, reason=reason, suggestion=meant))


@cache
def _attributes(verb_class: type[Verb]) -> Mapping[str, msgspec.structs.FieldInfo]:
    """By their JSON names. msgspec works the types out anew whenever it is asked."""
    return {field.encode_name: field for field in msgspec.structs.fields(verb_class)}


def nearest(name: str, known: list[str]) -> str | None:
    """The known name that `name` was probably meant to be: the same but for case and signs, or similar."""
    folded = {_folded(candidate): candidate for candidate in known}
    matches = get_close_matches(_folded(name[:64]), list(folded), n=1, cutoff=0.6)
    return folded[matches[0]] if matches else None


def _folded(name: str) -> str:
    return name.lower().replace("_", "").replace("-", "")


def _placed(message: str, pointer: str) -> tuple[str, str]:
    """Splits msgspec's "reason - at `$.path[0]`" into the reason and a pointer below `pointer`."""
    found = _PLACE.search(message)
    if found is None:
        return message, pointer
    for name, index in _STEP.findall(found.group(1)):
        pointer = pointer_to(pointer, name or index)
    return message[: found.start()], pointer
