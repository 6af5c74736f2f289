"""Reads flows: replies of voice callbacks (JSON or XML), inline `actions`, what `/v1/voice/validate` gets."""

from collections.abc import Mapping

import msgspec

from sautikitd.flow.document import (
    MAX_ACTIONS,
    Flow,
    FlowInvalid,
    FlowProblem,
    FlowWarning,
    ProblemCode,
)
from sautikitd.flow.json_text import JsonUnreadable, parse_json, pointer_to, structural_faults
from sautikitd.flow.verb_reader import ActionReader
from sautikitd.flow.verbs.addresses import UrlTerms
from sautikitd.flow.xml.element import Dialect
from sautikitd.flow.xml.reader import read_xml

MAX_BODY_BYTES = 1024 * 1024

XML_TYPES = frozenset({"application/xml", "text/xml"})
JSON_TYPES = frozenset({"application/json", "text/json"})


def read_flow(
    source: bytes | object,
    content_type: str = "application/json",
    dialect: Dialect | None = None,
    urls: UrlTerms | None = None,
) -> Flow | FlowInvalid:
    """Reads `{"actions": [...]}`, either as the bytes of a body or as JSON already decoded, or the bytes of
    `<Response>…</Response>` in `dialect` (None: the document itself decides).

    With `urls`, those that may not be asked make it invalid; without, that shows when they are. Never raises,
    whatever it is given. A body under another content type that plainly is JSON or XML is read with a warning,
    since many frameworks send text/html unasked.
    """
    if not isinstance(source, bytes):
        return _read_decoded(source, urls)
    kind = content_type.partition(";")[0].strip().lower()
    if len(source) > MAX_BODY_BYTES:
        return _invalid(ProblemCode.TOO_LARGE, "", f"the reply is longer than {MAX_BODY_BYTES} bytes")
    start = source.removeprefix(b"\xef\xbb\xbf").lstrip()[:1]
    if not start:
        return _invalid(
            ProblemCode.MALFORMED, "", 'the reply is empty; to hang up send {"actions": []} or <Response/>'
        )
    if kind in XML_TYPES or kind.endswith("+xml"):
        return read_xml(source, content_type, dialect, urls)
    if start == b"<":
        return _warned(read_xml(source, content_type, dialect, urls), _mistyped(kind, "application/xml"))
    try:
        decoded = parse_json(source)
    except JsonUnreadable as error:
        return _invalid(ProblemCode.MALFORMED, "", str(error))
    if kind in JSON_TYPES or kind.endswith("+json"):
        return _read_decoded(decoded, urls)
    return _warned(_read_decoded(decoded, urls), _mistyped(kind, "application/json"))


def _mistyped(kind: str, taken_for: str) -> FlowWarning:
    return FlowWarning(pointer="", reason=f"content type {kind[:100] or 'missing'}; read as {taken_for}")


def _warned(flow: Flow | FlowInvalid, warning: FlowWarning) -> Flow | FlowInvalid:
    if isinstance(flow, FlowInvalid):
        return flow
    return msgspec.structs.replace(flow, warnings=(warning, *flow.warnings))


def read_actions(
    actions: object, pointer: str = "/actions", urls: UrlTerms | None = None
) -> Flow | FlowInvalid:
    """Reads a decoded list of actions that stands at `pointer` of some larger body (`POST /v1/calls`); `urls` as in
    `read_flow`."""
    faults = [
        FlowProblem(code=ProblemCode.MALFORMED, pointer=where, reason=reason)
        for where, reason in structural_faults(actions, pointer)
    ]
    if faults:
        return FlowInvalid(problems=tuple(faults[:100]))
    if not isinstance(actions, list):
        return _invalid(ProblemCode.MALFORMED, pointer, "actions must be a list")
    if len(actions) > MAX_ACTIONS:
        reason = f"{len(actions)} actions; at most {MAX_ACTIONS} are allowed"
        return _invalid(ProblemCode.TOO_MANY_ACTIONS, pointer, reason)
    reader = ActionReader(urls=urls)
    verbs = [reader.read(item, f"{pointer}/{index}") for index, item in enumerate(actions)]
    warnings = tuple(reader.warnings[:100])
    if reader.problems:
        return FlowInvalid(problems=tuple(reader.problems[:100]), warnings=warnings)
    return Flow(actions=tuple(verb for verb in verbs if verb is not None), warnings=warnings)


def _read_decoded(decoded: object, urls: UrlTerms | None) -> Flow | FlowInvalid:
    if not isinstance(decoded, dict):
        return _invalid(ProblemCode.MALFORMED, "", 'a flow is an object {"actions": [...]}')
    if "actions" not in decoded:
        return _invalid(ProblemCode.FIELD_REQUIRED, "/actions", "the list of actions is missing")
    faults = [
        FlowProblem(code=ProblemCode.MALFORMED, pointer=where, reason=reason)
        for where, reason in structural_faults(decoded)
    ]
    if faults:
        return FlowInvalid(problems=tuple(faults[:100]))
    flow = read_actions(decoded["actions"], urls=urls)
    return msgspec.structs.replace(flow, warnings=(*_unknown_members(decoded), *flow.warnings))


def _unknown_members(decoded: Mapping[str, object]) -> list[FlowWarning]:
    others = [name for name in decoded if name != "actions"]
    return [FlowWarning(pointer=pointer_to("", name), reason="unknown; passed over") for name in others[:10]]


def _invalid(code: ProblemCode, pointer: str, reason: str) -> FlowInvalid:
    return FlowInvalid(problems=(FlowProblem(code=code, pointer=pointer, reason=reason),))
