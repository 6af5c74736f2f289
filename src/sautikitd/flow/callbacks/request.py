"""Puts a question on the wire: where its parameters go, and what exactly is signed."""

from urllib.parse import parse_qsl, quote, urlencode, urlsplit, urlunsplit

from sautikitd.egress.client import sent_form
from sautikitd.flow.callbacks.question import Method
from sautikitd.flow.callbacks.vocabulary import Parameters, Prepared

CLIENT_REQUEST_ID = "clientRequestId"
MAX_IN_URL = 2048
"""Bytes of the percent-encoded client request id that still go into a URL (longer: 414 at many servers)."""

FORM = "application/x-www-form-urlencoded"


def prepare(url: str, method: Method, parameters: Parameters, client_request_id: str | None) -> Prepared:
    """A POST carries the parameters in its body and is signed over it; a GET in its query, likewise.

    `?clientRequestId=` joins the URL when its encoded form has no more than 2,048 bytes and the URL does
    not hold one already. Raises ValueError for a URL that cannot be encoded.
    """
    short_id = (
        client_request_id if client_request_id and len(_encoded(client_request_id)) <= MAX_IN_URL else None
    )
    if method is Method.GET:
        in_query = [pair for pair in parameters if pair[0] != CLIENT_REQUEST_ID]
        if short_id is not None:
            in_query.append((CLIENT_REQUEST_ID, short_id))
        final = sent_form(_with_query(url, in_query))
        return Prepared(url=final, method=method, parameters=in_query, payload=urlsplit(final).query.encode())
    final = sent_form(_with_query(url, [(CLIENT_REQUEST_ID, short_id)] if short_id else []))
    return Prepared(
        url=final, method=method, parameters=parameters, payload=urlencode(parameters, safe="*").encode()
    )


def _with_query(url: str, extra: Parameters) -> str:
    parts = urlsplit(url)
    present = {name for name, _ in parse_qsl(parts.query, keep_blank_values=True)}
    added = "&".join(
        f"{_encoded(name)}={_encoded(value)}"
        for name, value in extra
        if name != CLIENT_REQUEST_ID or name not in present
    )
    return urlunsplit(parts._replace(query="&".join(part for part in (parts.query, added) if part)))


def _encoded(text: str) -> str:
    return quote(text, safe="*")
