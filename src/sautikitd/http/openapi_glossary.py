"""What a field of the API means wherever it stands, for those that say nothing of themselves."""

from typing import Any

GLOSSARY: dict[str, str] = {}


def describe(components: dict[str, dict[str, Any]]) -> None:
    """Gives each undescribed property the words of the glossary."""
    for component in components.values():
        for name, schema in component.get("properties", {}).items():
            if "description" not in schema and name in GLOSSARY:
                schema["description"] = GLOSSARY[name]
