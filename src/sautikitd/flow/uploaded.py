"""The addresses of uploaded sound files, wherever a flow may name a sound: `sautikit://uploads/audio/ID`."""

from collections.abc import Iterator
from uuid import UUID

from sautikitd.flow.verbs.verb import Flaw, reference_flaws

SCHEME = "sautikit:"
_PREFIX = "sautikit://uploads/audio/"


def uploaded_url(upload_id: UUID) -> str:
    return f"{_PREFIX}{upload_id}"


def upload_id_of(url: str) -> UUID | None:
    """The upload that a URL names; None for any other URL."""
    if not url.startswith(_PREFIX):
        return None
    try:
        return UUID(url.removeprefix(_PREFIX))
    except ValueError:
        return None


def sound_flaws(field: str, reference: str | None) -> Iterator[Flaw]:
    """Like `reference_flaws`, and takes an uploaded file's address."""
    if reference is None or not reference.startswith(SCHEME):
        yield from reference_flaws(field, reference)
    elif upload_id_of(reference) is None:
        yield Flaw(field, f"an uploaded sound is {_PREFIX}ID, as `POST /v1/uploads/audio` answers it")
