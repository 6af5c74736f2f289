"""Requests that carry a file, in the OpenAPI document."""

from collections.abc import Sequence
from typing import Any


def file_contents(media_types: Sequence[str]) -> dict[str, Any]:
    """The file as the body itself, in each of its types, and as the part `file` of a form."""
    part = {
        "type": "object",
        "required": ["file"],
        "properties": {
            "file": {
                "type": "string",
                "contentMediaType": "application/octet-stream",
                "description": "The file.",
            }
        },
    }
    return {
        "multipart/form-data": {"schema": part},
        **{media_type: {} for media_type in media_types},
    }
