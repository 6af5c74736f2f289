import time
from xml.sax.saxutils import escape, quoteattr

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from hypothesis.strategies import SearchStrategy

from sautikitd.flow.document import Flow, FlowInvalid
from sautikitd.flow.reader import MAX_BODY_BYTES, read_flow
from sautikitd.flow.schema import normalise
from sautikitd.flow.xml.element import Dialect, Element
from sautikitd.flow.xml.reader import read_xml
from sautikitd.flow.xml.tables import SSML, TABLES
from sautikitd.flow.xml.tree import MAX_ATTRIBUTES, MAX_DEPTH, MAX_ELEMENTS

SAY = b"<Response><Say>&x;</Say></Response>"

ATTACKS = {
    "billion laughs": b'<!DOCTYPE l [<!ENTITY a "ha"><!ENTITY x "&a;&a;&a;&a;">]>' + SAY,
    "quadratic blow-up": b'<!DOCTYPE l [<!ENTITY x "' + b"a" * 100_000 + b'">]>' + SAY,
    "an external file": b'<!DOCTYPE l [<!ENTITY x SYSTEM "file:///etc/passwd">]>' + SAY,
    "an external address": b'<!DOCTYPE l [<!ENTITY x SYSTEM "http://127.0.0.1:9/">]>' + SAY,
    "a parameter entity": b'<!DOCTYPE l [<!ENTITY % p SYSTEM "http://127.0.0.1:9/"> %p;]>' + SAY,
    "an external subset": b'<!DOCTYPE l SYSTEM "http://127.0.0.1:9/x.dtd"><Response/>',
    "defaulted attributes": b'<!DOCTYPE l [<!ATTLIST Say voice CDATA "x">]>' + SAY,
    "an HTML page": b"<!DOCTYPE html><html><body>Error</body></html>",
}


@pytest.mark.parametrize("name", ATTACKS)
def test_a_document_type_declaration_is_refused_before_it_is_read(name: str) -> None:
    flow = read_xml(ATTACKS[name])
    assert isinstance(flow, FlowInvalid)
    assert "document type declaration is not allowed (line 1)" in flow.problems[0].reason


@pytest.mark.parametrize(
    ("body", "reason"),
    [
        (SAY, "undefined entity"),
        (b"<Response><Say>" + b"&#0;" + b"</Say></Response>", "invalid character number"),
        (b"<Response>\x00</Response>", "not well-formed"),
        (b"<Response>\xff</Response>", "not well-formed"),
        (b"<Response><Say>a</Response>", "mismatched tag at line 1 column 19"),
        (b"<Response/><Response/>", "junk after document element"),
        (b"<Response a='1' a='2'/>", "duplicate attribute"),
        (b"", "no element found"),
        (b"<?xml version='1.0' encoding='utf-7'?><Response/>", "encoding utf-7 is not supported"),
        (b"<?xml version='1.0' encoding='windows-1252'?><Response/>", "send UTF-8"),
        (b"<a>" * (MAX_DEPTH + 1), f"nested more than {MAX_DEPTH} deep"),
        (b"<a>" * 200_000, f"nested more than {MAX_DEPTH} deep"),
        (b"<Response>" + b"<a/>" * MAX_ELEMENTS + b"</Response>", f"more than {MAX_ELEMENTS} elements"),
        (
            b"<Response " + b" ".join(b"a%d=''" % n for n in range(MAX_ATTRIBUTES + 1)) + b"/>",
            f"more than {MAX_ATTRIBUTES} attributes",
        ),
    ],
)
def test_what_cannot_be_read_is_refused_with_its_reason(body: bytes, reason: str) -> None:
    flow = read_xml(body)
    assert isinstance(flow, FlowInvalid)
    assert reason in flow.problems[0].reason


def test_a_charset_that_is_not_supported_is_refused() -> None:
    flow = read_xml(b"<Response/>", "text/xml; charset=utf-7")
    assert "utf-7 is not supported" in str(flow)


def test_a_reply_beyond_the_size_of_a_body_is_too_large() -> None:
    flow = read_flow(b"<Response>" + b" " * MAX_BODY_BYTES, "text/xml")
    assert isinstance(flow, FlowInvalid)
    assert flow.problems[0].code == "flow.too_large"


@pytest.mark.parametrize(
    "body",
    [
        b"<Response><Say>" + b"a" * (MAX_BODY_BYTES - 100) + b"</Say></Response>",
        b"<Response>" + b"<!---->" * 140_000 + b"</Response>",
        b"<Response><Say>" + b"&amp;" * 200_000 + b"</Say></Response>",
        b"<Response a='" + b"\n" * (MAX_BODY_BYTES - 100) + b"'/>",
        b"<Response><" + b"a" * (MAX_BODY_BYTES - 100) + b"/></Response>",
        b"<Response>" + b"<x>a</x>" * 1900 + b"</Response>",
        b"<Response><Dial>" + b"<Number>1</Number>" * 1900 + b"</Dial></Response>",
    ],
)
def test_the_largest_documents_take_no_time_to_speak_of(body: bytes) -> None:
    started = time.process_time()
    read_flow(body, "text/xml")
    assert time.process_time() - started < 2


def test_a_reason_does_not_repeat_a_whole_document() -> None:
    long = b"x" * 500_000
    flow = read_xml(b"<Response><Reject reason='" + long + b"'/><" + long + b"/></Response>")
    assert isinstance(flow, FlowInvalid)
    assert len(flow.problems) == 2
    assert all(len(problem.reason) < 400 and len(problem.pointer) < 400 for problem in flow.problems)


def _names(element: Element) -> set[str]:
    return {element.name}.union(*(_names(child.element) for child in element.children))


def _attributes(element: Element) -> set[str]:
    own = {attribute.name for attribute in element.attributes}
    return own.union(*(_attributes(child.element) for child in element.children))


NAMES = sorted({*SSML, "Foo"}.union(*(_names(table.response) for table in TABLES.values())))
ATTRIBUTES = sorted({"foo", "xmlns"}.union(*(_attributes(table.response) for table in TABLES.values())))
texts = st.text(st.characters(exclude_categories=["Cs", "Cc"]), max_size=8) | st.sampled_from(
    ["1", "0", "true", "false", "/a", "+254711000001", "sip:a@b", "https://e.test/x", "#", "CA" + "0" * 32]
)
attribute_sets = st.dictionaries(st.sampled_from(ATTRIBUTES), texts, max_size=4)


def _written(name: str, attributes: dict[str, str], inside: list[str]) -> str:
    given = "".join(f" {key}={quoteattr(value)}" for key, value in attributes.items())
    return f"<{name}{given}>{''.join(inside)}</{name}>"


trees: SearchStrategy[str] = st.recursive(
    texts.map(escape),
    lambda inner: st.builds(_written, st.sampled_from(NAMES), attribute_sets, st.lists(inner, max_size=4)),
    max_leaves=12,
)


@given(st.lists(trees, max_size=4), st.sampled_from([None, *Dialect]))
@settings(max_examples=250, deadline=None)
def test_no_tree_makes_the_reader_fail(inside: list[str], dialect: Dialect | None) -> None:
    flow = read_xml(f"<Response>{''.join(inside)}</Response>".encode(), dialect=dialect)
    if isinstance(flow, Flow):
        again = read_flow(normalise(flow))
        assert isinstance(again, Flow)
        assert again.actions == flow.actions
    else:
        assert all(
            problem.pointer.startswith("/") or problem.code == "flow.malformed" for problem in flow.problems
        )


@given(st.binary(max_size=200), st.sampled_from([None, *Dialect]), st.text(max_size=40))
@example(b"<?xml version='1.0' encoding='idna'?><a/>", None, "text/xml")
@example(b"<?xml version='1.0' encoding='rot13'?><a/>", None, "text/xml")
@example(b"\xff\xfe<\x00", None, "text/xml")
@settings(max_examples=250, deadline=None)
def test_no_bytes_make_the_reader_fail(body: bytes, dialect: Dialect | None, kind: str) -> None:
    read_xml(body, kind, dialect)
    read_xml(b"<?xml " + body + b"?><Response/>", kind, dialect)
    read_xml(b"<Response><Say " + body + b">a</Say></Response>", f"text/xml; charset={kind}", dialect)
    read_flow(b"<Response>" + body + b"</Response>", kind, dialect)
