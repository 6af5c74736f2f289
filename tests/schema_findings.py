"""Runs schemathesis, all its phases and checks, against a live API; tells what it found."""

from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import schemathesis
import schemathesis.openapi
from schemathesis.config import SchemathesisConfig
from schemathesis.engine import events, from_schema

from live_api import LiveApi

_OTHER_KEY = "01939f3e-7c1a-7b52-9d6a-3f0c2f6f1a11"

# Rules that a schema cannot tell, by field: a number that exists in the plan, an address that is allowed,
# exactly one of several fields. Well-typed values may be refused for these, and for nothing else.
_FURTHER_RULES = frozenset(
    {
        *("from", "to", "e164", "inventory_id", "area_code", "phone_e164", "caller_id", "forward_to"),
        *(
            "url",
            "webhook_url",
            "voice_callback_url",
            "fallback_url",
            "status_callback_url",
            "events_url",
            "callback_url",
            "voice_url",
        ),
        *("events", "scopes", "source_cidrs", "name", "label", "script", "actions", "number_ids", "number"),
        *("advance_seconds", "number_id", "identity", "control", "hold_audio_url", "control_timeout_ms"),
        *("opening_actions", "fallback_actions", "client_request_id", "send_digits", "metadata"),
        *("created_after", "created_before", "since", "status", "country", "capability", "contains", "email"),
        *("", "expires_at", "cursor", "kind", "destination_prefixes", "supervisor"),
        *("max_concurrent_calls", "calls_per_second"),  # of the whole workspace, not of one key
    }
)

# What a schema cannot say of a whole value: that a cursor is ours, that a file is a sound.
_BEYOND_SCHEMA = frozenset({"request.invalid_cursor", "uploads.unreadable", "uploads.form_invalid"})


@dataclass
class Findings:
    failures: list[str] = field(default_factory=list)
    statuses: Counter[int] = field(default_factory=Counter)
    phases: set[str] = field(default_factory=set)


def findings_of(api: LiveApi, *, examples: int) -> Findings:
    """One line per finding: operation, check, message, the request as a curl command, the answer."""
    found = Findings()
    config = SchemathesisConfig.from_dict(
        {
            "headers": {"Authorization": f"Bearer {api.key}"},
            "continue-on-failure": True,
            "seed": 1,
            "generation": {"max-examples": examples, "deterministic": True, "no-shrink": True},
            "checks": {"positive_data_acceptance": {"expected-statuses": _FOR_STATE}},
        }
    )
    with _sparing(api.key_id):
        schema = schemathesis.openapi.from_url(f"{api.url}/openapi.json", config=config)
        schema.config.update(base_url=api.url)
        for event in from_schema(schema).execute():
            if isinstance(event, events.ScenarioFinished | events.FuzzScenarioFinished):
                _collect(event, found)
            elif isinstance(event, events.NonFatalError | events.FatalError):
                found.failures.append(f"error: {event}")
    return found


# Right data may also be refused for what there is, or is not: money (402), what exists (403, 404, 409), time (410).
_FOR_STATE = ["2xx", "3xx", "401", "402", "403", "404", "409", "410", "429"]


def _collect(event: Any, found: Findings) -> None:
    found.phases.add(str(event.phase.value if hasattr(event.phase, "value") else event.phase))
    recorder = event.recorder
    for interaction in recorder.interactions.values():
        if interaction.response is not None:
            found.statuses[interaction.response.status_code] += 1
    for case_id, interaction in recorder.interactions.items():
        if interaction.response is not None and interaction.response.status_code >= 400:
            case = recorder.cases[case_id].value
            found.failures += _undeclared(case.operation, case.method, interaction.response)
    for case_id, checks in recorder.checks.items():
        for check in checks:
            if check.failure_info is None:
                continue
            response = recorder.interactions[case_id].response
            failure = check.failure_info.failure
            kind = type(failure).__name__
            if kind == "RejectedPositiveData" and _has_reason(response):
                continue
            if (
                kind == "IgnoredAuth" and response.status_code == 429
            ):  # wrong keys are refused, and then throttled
                continue
            text = (failure.message or "").replace("\n", " ")
            body = response.content[:400] if response is not None else b""
            found.failures.append(
                f"{failure.operation}: {kind} {text} | {check.failure_info.code_sample} | {body!r}"
            )


def _undeclared(operation: Any, method: str, response: Any) -> Iterator[str]:
    """A code that the document does not name there. What another method gets is the router's answer, not the operation's."""
    if method.upper() != operation.method.upper() or not response.content:
        return
    code = response.json()["error"]["code"]
    answers = operation.definition.raw["responses"]
    if code not in answers.get(str(response.status_code), {}).get("x-error-codes", ()):
        yield f"{operation.label}: {response.status_code} {code} is not in the document"


def _has_reason(response: Any) -> bool:
    """Whether well-typed data was refused for rules beyond the schema alone."""
    error = response.json()["error"]
    if error["code"] in _BEYOND_SCHEMA:
        return True
    problems = error.get("fields", ())
    named = [
        problem["pointer"].lstrip("?/").split("/")[0]
        for problem in problems
        if "NUL" not in problem["problem"]  # which no database of ours stores
    ]
    return bool(problems) and _FURTHER_RULES.issuperset(named)


@contextmanager
def _sparing(key_id: str) -> Iterator[None]:
    """Links would lead to the key in use as well, and revoke it."""

    def before_call(context: Any, case: Any, kwargs: Any) -> None:
        if case.path_parameters and case.path_parameters.get("key_id") == key_id:
            case.path_parameters["key_id"] = _OTHER_KEY

    schemathesis.hook(before_call)
    try:
        yield
    finally:
        schemathesis.hooks.unregister(before_call)
