"""Turns the elements of a document into drafts of verbs by its dialect's table, naming what it cannot place."""

from collections.abc import Iterator

from sautikitd.flow.document import FlowProblem, FlowWarning, ProblemCode
from sautikitd.flow.verb_reader import nearest
from sautikitd.flow.xml.draft import Draft
from sautikitd.flow.xml.element import Attribute, Child, Dialect, DialectTable, Element, Role, Value
from sautikitd.flow.xml.places import lined
from sautikitd.flow.xml.tables import SSML, TABLES
from sautikitd.flow.xml.tree import Node, Place
from sautikitd.flow.xml.values import (
    TARGET_FIELDS,
    Target,
    TargetKind,
    call_id_of,
    dial_field,
    dialled,
    is_namespace,
    ssml_of,
)


class Translator:
    """For one document. Gathers problems and warnings, each at its XPath and with its line."""

    def __init__(self, table: DialectTable) -> None:
        self.problems: list[FlowProblem] = []
        self.warnings: list[FlowWarning] = []
        self._table = table

    def response(self, root: Node) -> list[Draft]:
        """The actions of the root element, in order."""
        response = self._table.response
        self._unknown_attributes(root, response)
        self._stray_text(root, response)
        drafts: list[Draft] = []
        for child in root.children:
            known = self._known(child, root, response)
            if known is not None:
                drafts += self._actions(child, known.element)
        return drafts

    def _actions(self, node: Node, element: Element) -> list[Draft]:
        """What one element becomes: mostly one action, sometimes with others before or after it."""
        draft = Draft(element.verb or "", node.place, {}, {})
        before, after = self._read_into(draft, node, element)
        if draft.verb:
            return [*before, draft, *after]
        return [*before, *after]

    def _read_into(self, draft: Draft, node: Node, element: Element) -> tuple[list[Draft], list[Draft]]:
        """Fills the draft and returns the actions that belong before and after it."""
        self._unknown_attributes(node, element)
        targets: list[Target] = []
        after = self._attributes(draft, node, element, targets)
        before = self._children(draft, node, element, targets)
        if not element.speech:
            self._stray_text(node, element)
        self._text(draft, node, element, targets)
        draft.fields.update(element.fixed)
        self._targets(draft, node, element, targets)
        return before, after

    # Attributes

    def _attributes(self, draft: Draft, node: Node, element: Element, targets: list[Target]) -> list[Draft]:
        bare = element.bare is not None and not node.attributes and not any(True for _ in node.children)
        if bare and element.bare is not None:
            draft.fields.update(element.bare)
        after: list[Draft] = []
        for attribute in element.attributes:
            written = node.attributes.get(attribute.name)
            if written is not None:
                after += self._attribute(draft, node, attribute, written.strip(), targets)
            elif attribute.default is not None and attribute.field is not None and not bare:
                draft.fields.setdefault(attribute.field, attribute.default)
        return after

    def _attribute(
        self, draft: Draft, node: Node, attribute: Attribute, written: str, targets: list[Target]
    ) -> Iterator[Draft]:
        place = node.place.attribute(attribute.name)
        if written in attribute.refused:
            self._refuse(ProblemCode.FIELD_INVALID, place, attribute.refused[written])
        elif attribute.dialled:
            targets += dialled(written)
        elif attribute.field is None:
            if written not in attribute.silent:
                self._warn(place, f"passed over: {attribute.note}")
        else:
            draft.put(attribute.field, _value_of(attribute, written), place)
        if written == "true":
            for verb, fields in attribute.then.items():
                yield Draft(verb, place, dict(fields), {})

    def _unknown_attributes(self, node: Node, element: Element) -> None:
        names = [attribute.name for attribute in element.attributes]
        for name in node.attributes:
            if name not in names and not is_namespace(name):
                self._warn(node.place.attribute(name), "unknown attribute; passed over", nearest(name, names))

    # Children

    def _children(self, draft: Draft, node: Node, element: Element, targets: list[Target]) -> list[Draft]:
        before: list[Draft] = []
        if element.speech:
            return before
        if any(child.role is Role.PROMPT for child in element.children):
            draft.nested = []
        chosen: Node | None = None
        for inner in node.children:
            known = self._known(inner, node, element)
            if known is None:
                continue
            crowded = (known.role is Role.INSTEAD and targets) or chosen is not None
            if crowded:
                reason = f"<{inner.name}> and another may not stand in one <{node.name}>"
                self._refuse(ProblemCode.FIELD_INVALID, inner.place, reason)
                continue
            if known.role is Role.INSTEAD:
                chosen = inner
            before += self._child(draft, inner, known, targets)
        if chosen is None and element.verb is None and draft.verb == "":
            inside = " or ".join(f"<{child.element.name}>" for child in element.children)
            self._refuse(ProblemCode.FIELD_REQUIRED, node.place, f"<{node.name}> needs {inside} in it")
        return before

    def _child(self, draft: Draft, node: Node, child: Child, targets: list[Target]) -> list[Draft]:
        match child.role:
            case Role.PROMPT:
                if draft.nested is not None:
                    draft.nested += self._actions(node, child.element)
            case Role.BEFORE:
                return self._actions(node, child.element)
            case Role.TARGET:
                self._target(draft, node, child, targets)
            case Role.INSTEAD:
                self._instead(draft, node, child)
            case Role.PARAMETER:
                self._parameter(draft, node, child)
            case Role.IGNORED:
                self._warn(node.place, f"<{node.name}> passed over: {child.element.note}")
        return []

    def _target(self, draft: Draft, node: Node, child: Child, targets: list[Target]) -> None:
        """A `Number`, `Sip` or `Client`, whose name may stand in an element of its own (`Identity`)."""
        own = Draft("", node.place, {}, {})
        self._unknown_attributes(node, child.element)
        self._attributes(own, node, child.element, [])
        text = node.text
        for inner in node.children:
            known = self._known(inner, node, child.element)
            if known is not None and known.role is Role.TARGET:
                text = inner.text or text
            elif known is not None:
                self._child(own, inner, known, [])
        if not text:
            self._refuse(ProblemCode.FIELD_REQUIRED, node.place, f"<{node.name}> is empty")
        elif child.field in TARGET_FIELDS:
            targets.append((TargetKind(child.field), text))
        else:
            draft.put(child.field, text, node.place.content())

    def _instead(self, draft: Draft, node: Node, child: Child) -> None:
        """The parent becomes what this child says. Attributes of a parent that would be a verb by itself have no
        place in that; those of one that only says how (`Connect`) go on with the child."""
        if draft.verb:
            kept = [(child.keeps[field], field) for field in draft.where if field in child.keeps]
            for field, place in draft.where.items():
                if field not in child.keeps:
                    self._warn(place, f"{field} has no meaning with <{node.name}>; passed over")
            draft.fields = {new: draft.fields[old] for new, old in kept}
            draft.where = {new: draft.where[old] for new, old in kept}
        draft.verb, draft.place = child.element.verb or "", node.place
        self._read_into(draft, node, child.element)

    def _parameter(self, draft: Draft, node: Node, child: Child) -> None:
        self._unknown_attributes(node, child.element)
        name = node.attributes.get("name", "")
        if not name:
            self._refuse(ProblemCode.FIELD_REQUIRED, node.place, "name is required")
            return
        gathered = draft.fields.setdefault(child.field, {})
        if isinstance(gathered, dict):
            gathered[name] = node.attributes.get("value", "")
        draft.where.setdefault(child.field, node.place)

    def _known(self, node: Node, parent: Node, element: Element) -> Child | None:
        known = element.child(node.name)
        if known is None:
            self._refuse_element(node, parent, element)
        return known

    def _refuse_element(self, node: Node, parent: Node, element: Element) -> None:
        shown = node.name[:100]
        why = self._table.unsupported.get(node.name)
        other = next(table for dialect, table in TABLES.items() if dialect is not self._table.dialect)
        if why is not None:
            reason = f"<{shown}> is not supported: {why}"
        elif parent.name == "Response" and other.response.child(node.name) is not None:
            reason = f"<{shown}> is of the {other.dialect.value} dialect, but this reply is read as {self._dialect}"
        else:
            reason = f"unknown element <{shown}> in <{parent.name[:100]}>"
        names = [child.element.name for child in element.children]
        self._refuse(ProblemCode.VERB_UNKNOWN, node.place, reason, nearest(shown, names))

    # Text

    def _text(self, draft: Draft, node: Node, element: Element, targets: list[Target]) -> None:
        if element.text is None:
            return
        if draft.verb != (element.verb or ""):  # a child has made it another verb
            if node.text:
                self._warn(node.place.content(), f"the text of <{node.name}> is passed over")
            return
        text = self._speech(node) if element.speech else node.text
        if element.text in TARGET_FIELDS:
            if text:
                targets.append((TargetKind(element.text), text))
        elif text:
            draft.put(element.text, text, node.place.content())

    def _speech(self, node: Node) -> str:
        for inner in _below(node):
            if inner.name not in SSML:
                reason = f"<{inner.name[:100]}> may not stand in <{node.name}>"
                self._refuse(ProblemCode.VERB_UNKNOWN, inner.place, reason)
        return ssml_of(node) if any(True for _ in node.children) else node.text

    def _stray_text(self, node: Node, element: Element) -> None:
        if element.text is None and node.text:
            self._warn(node.place.content(), f"<{node.name}> takes no text; passed over")

    # Targets

    def _targets(self, draft: Draft, node: Node, element: Element, targets: list[Target]) -> None:
        if draft.verb != "dial" or element.verb != "dial":
            return
        if not targets:
            self._refuse(ProblemCode.FIELD_REQUIRED, node.place, "there is nobody to dial")
            return
        draft.put(*dial_field(targets), node.place)

    def _refuse(self, code: ProblemCode, place: Place, reason: str, suggestion: str | None = None) -> None:
        self.problems.append(
            FlowProblem(code=code, pointer=place.path, reason=lined(reason, place), suggestion=suggestion)
        )

    def _warn(self, place: Place, reason: str, suggestion: str | None = None) -> None:
        self.warnings.append(
            FlowWarning(pointer=place.path, reason=lined(reason, place), suggestion=suggestion)
        )

    @property
    def _dialect(self) -> str:
        return "TwiML" if self._table.dialect is Dialect.TWILIO else "Africa's Talking's"


def _value_of(attribute: Attribute, written: str) -> Value | list[str]:
    if attribute.call_sid:
        return call_id_of(written)
    if attribute.separator is not None:
        return [word for word in written.split(attribute.separator) if word]
    return attribute.values.get(written, written)


def _below(node: Node) -> Iterator[Node]:
    for child in node.children:
        yield child
        yield from _below(child)
