"""Reads an XML reply into the same flow as JSON: parse, translate by the dialect's table, read the verbs."""

from sautikitd.flow.document import MAX_ACTIONS, Flow, FlowInvalid, FlowProblem, ProblemCode
from sautikitd.flow.verb_reader import ActionReader
from sautikitd.flow.verbs.addresses import UrlTerms
from sautikitd.flow.xml.element import Dialect
from sautikitd.flow.xml.places import Places, document_order
from sautikitd.flow.xml.tables import TABLES, dialect_of
from sautikitd.flow.xml.translate import Translator
from sautikitd.flow.xml.tree import Node, XmlUnreadable, parse_xml

MAX_REMARKS = 100


def read_xml(
    body: bytes,
    content_type: str = "application/xml",
    dialect: Dialect | None = None,
    urls: UrlTerms | None = None,
) -> Flow | FlowInvalid:
    """Reads `<Response>…</Response>`. Without a `dialect` the document decides (`dialect_of`).

    Never raises, whatever it is given. Pointers of problems and warnings are XPaths into the document
    (`/Response/Gather[1]/@timeout`), and their reasons end with the line.
    """
    try:
        root = parse_xml(body, content_type)
    except XmlUnreadable as error:
        return _invalid(ProblemCode.MALFORMED, "", str(error))
    if root.name != "Response":
        reason = f"the root element must be Response; found {root.name[:100]}"
        return _invalid(ProblemCode.MALFORMED, root.place.path, reason)
    return _read(root, dialect or dialect_of(root), urls)


def _read(root: Node, dialect: Dialect, urls: UrlTerms | None) -> Flow | FlowInvalid:
    translator = Translator(TABLES[dialect])
    drafts = translator.response(root)
    if len(drafts) > MAX_ACTIONS:
        reason = f"{len(drafts)} actions; at most {MAX_ACTIONS} are allowed"
        return _invalid(ProblemCode.TOO_MANY_ACTIONS, root.place.path, reason)
    reader, places = ActionReader(strict=False, urls=urls), Places()
    verbs = []
    for index, draft in enumerate(drafts):
        draft.remember(f"/actions/{index}", places)
        verbs.append(reader.read(draft.action(), f"/actions/{index}"))
    problems = document_order([*translator.problems, *map(places.problem, reader.problems)])
    remarks = document_order([*translator.warnings, *map(places.warning, reader.warnings)])
    warnings = tuple(remarks[:MAX_REMARKS])
    if problems:
        return FlowInvalid(problems=tuple(problems[:MAX_REMARKS]), warnings=warnings)
    return Flow(actions=tuple(verb for verb in verbs if verb is not None), warnings=warnings)


def _invalid(code: ProblemCode, pointer: str, reason: str) -> FlowInvalid:
    return FlowInvalid(problems=(FlowProblem(code=code, pointer=pointer, reason=reason),))
