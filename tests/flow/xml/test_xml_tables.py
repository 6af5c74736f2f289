"""Every element and every attribute of the published tables, one after the other, through the reader."""

import importlib
import inspect
from collections.abc import Iterator
from pathlib import Path
from xml.sax.saxutils import quoteattr

import pytest

from sautikitd.flow.document import FlowProblem, FlowWarning
from sautikitd.flow.verb_reader import ActionReader
from sautikitd.flow.verbs.registry import VERBS
from sautikitd.flow.xml.draft import Draft
from sautikitd.flow.xml.element import Attribute, Dialect, Element, Role
from sautikitd.flow.xml.published import voice_xml_page
from sautikitd.flow.xml.reader import read_xml
from sautikitd.flow.xml.tables import TABLES, dialect_of
from sautikitd.flow.xml.translate import Translator
from sautikitd.flow.xml.tree import parse_xml

PAGE = Path(__file__).parents[3] / "docs" / "voice-xml.md"

Chain = tuple[Element, ...]
"""An element and those around it, outermost first."""


def chains(element: Element, above: Chain = ()) -> Iterator[Chain]:
    here = (*above, element)
    yield here
    for child in element.children:
        yield from chains(child.element, here)


CHAINS = [(dialect, chain) for dialect, table in TABLES.items() for chain in chains(table.response)]
ATTRIBUTES = [(dialect, chain, one) for dialect, chain in CHAINS for one in chain[-1].attributes]


def named(value: object) -> str:
    if isinstance(value, Dialect):
        return value.value
    if isinstance(value, tuple):
        return ".".join(element.name for element in value)
    return value.name if isinstance(value, Attribute) else str(value)


def document(chain: Chain, attributes: str = "", text: str = "text") -> bytes:
    """The chain as a document. Its innermost element has the text, and what it cannot be without."""
    target = chain[-1]
    inside = text if target.text or target.name in {"Number", "Sip", "Client", "Identity"} else ""
    body = f"<{target.name}{attributes}>{inside}</{target.name}>"
    for element in reversed(chain[:-1]):
        body = f"<{element.name}>{body}</{element.name}>"
    return body.encode()


def drafts_of(dialect: Dialect, body: bytes) -> tuple[list[Draft], Translator]:
    translator = Translator(TABLES[dialect])
    return translator.response(parse_xml(body)), translator


@pytest.mark.parametrize(("dialect", "chain"), CHAINS, ids=named)
def test_an_element_becomes_the_verb_of_its_table(dialect: Dialect, chain: Chain) -> None:
    drafts, _ = drafts_of(dialect, document(chain))
    verbs = {draft.verb for draft in drafts} | {n.verb for draft in drafts for n in draft.nested or ()}
    verb = chain[-1].verb
    assert verb is None or verb in verbs
    assert verbs <= {*VERBS}


@pytest.mark.parametrize(("dialect", "chain", "attribute"), ATTRIBUTES, ids=named)
def test_an_attribute_becomes_the_field_of_its_table(
    dialect: Dialect, chain: Chain, attribute: Attribute
) -> None:
    written = next(iter(attribute.values), "7")
    drafts, translator = drafts_of(dialect, document(chain, f" {attribute.name}={quoteattr(written)}"))
    assert all("unknown" not in warning.reason for warning in translator.warnings)
    if chain[-1].verb is None and attribute.field is not None:
        return  # `Connect` says how the element in it is done, and is nothing without it: see the reader's tests
    if attribute.field is not None:
        every = [*drafts, *(inner for draft in drafts for inner in draft.nested or ())]
        (draft,) = [one for one in every if one.verb == chain[-1].verb]
        value = draft.fields[attribute.field]
        expected = attribute.values.get(written, written)
        assert value == ([expected] if attribute.separator else expected)
    elif not (attribute.dialled or any(child.role is Role.PARAMETER for child in chain[-2].children)):
        place = f"/@{attribute.name}"
        remarks: list[FlowProblem | FlowWarning] = [*translator.warnings, *translator.problems]
        assert any(remark.pointer.endswith(place) and "line 1" in remark.reason for remark in remarks)


@pytest.mark.parametrize(("dialect", "chain", "attribute"), ATTRIBUTES, ids=named)
def test_an_absent_attribute_has_the_dialects_default(
    dialect: Dialect, chain: Chain, attribute: Attribute
) -> None:
    if attribute.field is None or attribute.default is None:
        return
    other = next(one for one in chain[-1].attributes if one is not attribute) if chain[-1].bare else None
    given = f' {other.name}="7"' if other is not None else ""
    drafts, _ = drafts_of(dialect, document(chain, given))
    every = [*drafts, *(inner for draft in drafts for inner in draft.nested or ())]
    assert any(draft.fields.get(attribute.field) == attribute.default for draft in every)


@pytest.mark.parametrize(("dialect", "chain"), CHAINS, ids=named)
def test_every_field_of_a_verb_that_is_there_is_known_to_it(dialect: Dialect, chain: Chain) -> None:
    """`method` of a verb that has none is the one exception a reader warns about."""
    attributes = "".join(
        f' {one.name}="{next(iter(one.values), "1")}"' for one in chain[-1].attributes if one.field
    )
    drafts, _ = drafts_of(dialect, document(chain, attributes))
    reader = ActionReader(strict=False)
    for draft in drafts:
        if draft.verb in VERBS:
            reader.read(draft.action(), "")
    unknown = [warning.pointer for warning in reader.warnings if "unknown attribute" in warning.reason]
    assert [pointer for pointer in unknown if not pointer.endswith("/method")] == []


@pytest.mark.parametrize(
    ("dialect", "name"),
    [(dialect, name) for dialect, table in TABLES.items() for name in table.unsupported],
)
def test_what_is_not_supported_is_refused_by_its_name_and_reason(dialect: Dialect, name: str) -> None:
    flow = read_xml(f"<Response>\n<{name}/></Response>".encode(), dialect=dialect)
    assert TABLES[dialect].unsupported[name] in str(flow)
    assert f"<{name}> is not supported" in str(flow)
    assert "line 2" in str(flow)


@pytest.mark.parametrize(
    ("body", "dialect"),
    [
        ("<Response/>", Dialect.TWILIO),
        ("<Response><Say>a</Say></Response>", Dialect.TWILIO),
        ("<Response><Say>a</Say><GetDigits/></Response>", Dialect.AFRICASTALKING),
        ("<Response><Say playBeep='true'>a</Say></Response>", Dialect.AFRICASTALKING),
        ("<Response><Say language='en'>a</Say><GetDigits/></Response>", Dialect.TWILIO),
        ("<Response><Play url='/a.mp3'/></Response>", Dialect.AFRICASTALKING),
        ("<Response><Play>/a.mp3</Play></Response>", Dialect.TWILIO),
        ("<Response><Dial phoneNumbers='+254711000001'/></Response>", Dialect.AFRICASTALKING),
        ("<Response><Dial><Conference>x</Conference></Dial></Response>", Dialect.TWILIO),
        ("<Response><Conference/></Response>", Dialect.AFRICASTALKING),
        ("<Response><Record maxLength='3'/><Hangup/></Response>", Dialect.TWILIO),
        ("<Response><Frobnicate/><Reject/></Response>", Dialect.TWILIO),
    ],
)
def test_the_first_name_of_only_one_dialect_decides(body: str, dialect: Dialect) -> None:
    assert dialect_of(parse_xml(body.encode())) is dialect


def test_the_page_of_the_documentation_is_what_the_tables_say() -> None:
    assert PAGE.read_text(encoding="utf-8") == voice_xml_page(), (
        "write it again: python -m sautikitd.flow.xml.published docs/voice-xml.md"
    )


BUILDERS = [
    ("VoiceResponse", "say", ("Say",), {"message"}),
    ("VoiceResponse", "play", ("Play",), {"url"}),
    ("VoiceResponse", "pause", ("Pause",), set()),
    ("VoiceResponse", "gather", ("Gather",), set()),
    ("VoiceResponse", "dial", ("Dial",), {"number"}),
    ("Dial", "number", ("Dial", "Number"), {"phoneNumber"}),
    ("Dial", "sip", ("Dial", "Sip"), {"sipUrl"}),
    ("Dial", "client", ("Dial", "Client"), {"identity"}),
    ("Dial", "conference", ("Dial", "Conference"), {"name"}),
    ("Dial", "queue", ("Dial", "Queue"), {"name"}),
    ("VoiceResponse", "record", ("Record",), set()),
    ("VoiceResponse", "redirect", ("Redirect",), {"url"}),
    ("VoiceResponse", "reject", ("Reject",), set()),
    ("VoiceResponse", "hangup", ("Hangup",), set()),
    ("VoiceResponse", "enqueue", ("Enqueue",), {"name"}),
    ("VoiceResponse", "connect", ("Connect",), set()),
    ("Connect", "stream", ("Connect", "Stream"), set()),
    ("VoiceResponse", "start", ("Start",), set()),
    ("Start", "stream", ("Start", "Stream"), set()),
    ("VoiceResponse", "refer", ("Refer",), set()),
]


@pytest.mark.parametrize(("builder", "method", "path", "text"), BUILDERS)
def test_all_that_twilios_own_library_can_write_is_in_the_table(
    builder: str, method: str, path: tuple[str, ...], text: set[str]
) -> None:
    library = importlib.import_module("twilio.twiml.voice_response")
    arguments = inspect.signature(getattr(getattr(library, builder), method)).parameters
    written = {camel(name) for name in arguments if name not in {"self", "kwargs"}} - text
    element = TABLES[Dialect.TWILIO].response
    for name in path:
        child = element.child(name)
        assert child is not None
        element = child.element
    assert written - {attribute.name for attribute in element.attributes} == set()


@pytest.mark.parametrize("builder", ["VoiceResponse", "Dial", "Gather", "Connect", "Start", "Stop"])
def test_each_element_that_the_library_can_write_is_known_or_refused_with_a_reason(builder: str) -> None:
    library = importlib.import_module("twilio.twiml.voice_response")
    table = TABLES[Dialect.TWILIO]
    names = {
        "".join(word.title() for word in method.rstrip("_").split("_"))
        for method, thing in vars(getattr(library, builder)).items()
        if inspect.isfunction(thing) and not method.startswith("_")
    } - {"WhatsApp"}
    known = {chain[-1].name for dialect, chain in CHAINS if dialect is Dialect.TWILIO}
    assert names - known - set(table.unsupported) == set()


def camel(name: str) -> str:
    first, *others = name.rstrip("_").split("_")
    return first + "".join(word.title() for word in others)
