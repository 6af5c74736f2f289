"""`/v1/voice`: check a flow before it is used, and the JSON Schema of flows."""

from collections.abc import Sequence
from typing import Any

import msgspec

from sautikitd.flow.document import Flow, FlowInvalid, FlowProblem, ProblemCode
from sautikitd.flow.reader import read_flow
from sautikitd.flow.schema import flow_schema, normalise
from sautikitd.flow.verbs.addresses import UrlTerms
from sautikitd.flow.xml.element import Dialect
from sautikitd.http.endpoint import Answer, ApiRequest, endpoint


class FlowDocument(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Either any JSON as `actions`, or an XML reply as `xml`, read in `dialect` (without one the document
    itself decides): what is wrong with it is the answer, not an error."""

    actions: Any = None
    xml: str | None = None
    dialect: Dialect | None = None


class FlowRemark(msgspec.Struct, frozen=True, omit_defaults=True):
    """`pointer` is a JSON pointer (RFC 6901) to the place; in XML an XPath."""

    pointer: str
    reason: str
    code: str = ""
    suggestion: str | None = None


class FlowVerdict(msgspec.Struct, frozen=True, kw_only=True):
    """`flow` is the normalised form, without what is at its default; null when the flow is not valid."""

    valid: bool
    flow: dict[str, Any] | None
    problems: Sequence[FlowRemark]
    warnings: Sequence[FlowRemark]


class FlowRoutes:
    tag = "Voice actions"

    def __init__(self, *, allow_private_urls: bool = False) -> None:
        self._allow_private_urls = allow_private_urls

    @endpoint(
        "POST",
        "/v1/voice/validate",
        body=FlowDocument,
        answers={200: FlowVerdict},
        allowed_while_suspended=True,
        audited=False,
    )
    async def validate(self, request: ApiRequest[FlowDocument, None]) -> Answer:
        """Check a flow.

        Answers with the normalised actions, or with every problem and its exact place. URLs are judged by the mode of
        the key: in live mode they are https.
        """
        terms = UrlTerms(live=request.principal.mode == "live", allow_private=self._allow_private_urls)
        flow = _read(request.body, terms)
        warnings = [FlowRemark(one.pointer, one.reason, suggestion=one.suggestion) for one in flow.warnings]
        if isinstance(flow, FlowInvalid):
            problems = [
                FlowRemark(one.pointer, one.reason, one.code.value, one.suggestion) for one in flow.problems
            ]
            return Answer(body=FlowVerdict(valid=False, flow=None, problems=problems, warnings=warnings))
        verdict = FlowVerdict(valid=True, flow=normalise(flow), problems=[], warnings=warnings)
        return Answer(body=verdict)

    @endpoint(
        "GET",
        "/v1/voice/schema",
        authenticated=False,
        browser_safe=True,
        answers={200: "application/schema+json"},
    )
    async def schema(self, request: ApiRequest[None, None]) -> Answer:
        """The JSON Schema of voice actions."""
        return Answer(
            body=flow_schema(),
            media_type="application/schema+json",
        )


def _read(document: FlowDocument, terms: UrlTerms) -> Flow | FlowInvalid:
    if document.xml is None:
        return read_flow({} if document.actions is None else {"actions": document.actions}, urls=terms)
    if document.actions is not None:
        reason = "a flow is either actions or xml, not both"
        return FlowInvalid(problems=(FlowProblem(code=ProblemCode.MALFORMED, pointer="/xml", reason=reason),))
    body = document.xml.encode("utf-8", "replace")
    return read_flow(body, "application/xml; charset=utf-8", document.dialect, terms)
