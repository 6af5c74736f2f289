"""`python -m sautikitd.api_document FILE` writes the OpenAPI document of this version, without starting anything."""

import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import msgspec

from sautikitd import api
from sautikitd.http.endpoint import Endpoint, endpoints_of
from sautikitd.http.openapi import document

SERVER = "https://api.sautikit.com"


def described_endpoints() -> Sequence[Endpoint]:
    """Of every routes class that the API is made of; for documentation only, as none is bound to anything."""
    rooms = [value for value in vars(api).values() if isinstance(value, type)]
    return [endpoint for room in rooms for endpoint in endpoints_of(room)]


def api_document() -> dict[str, Any]:
    return document(described_endpoints(), SERVER)


def main() -> None:
    encoded = msgspec.json.format(msgspec.json.encode(api_document(), order="sorted"), indent=1)
    Path(sys.argv[1]).write_bytes(encoded + b"\n")


if __name__ == "__main__":
    main()
