"""Flows written out again: the normalised JSON of a flow, and the JSON Schema of all flows."""

from typing import Any

import msgspec

from sautikitd.flow.document import MAX_ACTIONS, Flow
from sautikitd.flow.verbs.registry import VERBS
from sautikitd.flow.verbs.verb import Verb


def normalise(flow: Flow) -> dict[str, Any]:
    """`{"actions": [...]}` with only what was said: attributes at their defaults are left out.

    Reading the result again gives an equal flow.
    """
    return {"actions": [_action(verb) for verb in flow.actions]}


def flow_schema() -> dict[str, Any]:
    """JSON Schema (2020-12) of a flow, made from the verb classes. What it accepts the reader may still
    refuse for reasons that a schema cannot say (exclusive attributes)."""
    _, components = msgspec.json.schema_components(list(VERBS.values()), ref_template="#/$defs/{name}")
    for verb in VERBS.values():
        _untag(components[verb.__name__], verb)
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "Voice actions",
        "type": "object",
        "required": ["actions"],
        "properties": {
            "actions": {
                "type": "array",
                "maxItems": MAX_ACTIONS,
                "items": {"oneOf": [_action_schema(verb) for verb in VERBS.values()]},
            }
        },
        "$defs": components,
    }


def _action(verb: Verb) -> dict[str, Any]:
    fields = msgspec.to_builtins(verb)
    for name in verb.nested_verbs:
        if name in fields:
            fields[name] = [_action(inner) for inner in getattr(verb, name)]
    return {fields.pop("verb"): fields}


def _action_schema(verb: type[Verb]) -> dict[str, Any]:
    return {
        "type": "object",
        "required": [verb.verb_name()],
        "properties": {verb.verb_name(): {"$ref": f"#/$defs/{verb.__name__}"}},
        "additionalProperties": False,
    }


def _untag(component: dict[str, Any], verb: type[Verb]) -> None:
    """Takes out the tag, which only our stored state has, and puts nested actions in their public form."""
    component["title"] = verb.verb_name()
    del component["properties"]["verb"]
    component["required"] = [name for name in component["required"] if name != "verb"]
    for name, allowed in verb.nested_verbs.items():
        inner = [_action_schema(VERBS[verb_name]) for verb_name in sorted(allowed)]
        component["properties"][name] = {"type": "array", "maxItems": MAX_ACTIONS, "items": {"oneOf": inner}}
