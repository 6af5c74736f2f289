"""The file in a request: the body itself, or the part `file` of a form (RFC 7578)."""

import io

import msgspec
from multipart import MultipartError, MultipartParser, parse_options_header

from sautikitd.uploads.errors import UploadFormInvalid, UploadMediaTypeUnsupported

RAW_TYPES = frozenset({"application/octet-stream", "application/ogg"})
LONGEST_NAME = 100
_MOST_PARTS = 8


class SentFile(msgspec.Struct, frozen=True):
    """`name` as its sender calls it, "" where he does not."""

    data: bytes
    name: str


def sent_file(raw: bytes, content_type: str, limit: int) -> SentFile:
    """Raises `UploadFormInvalid` (400) or `UploadMediaTypeUnsupported` (415)."""
    kind, options = parse_options_header(content_type)
    kind = kind.strip().lower()
    if kind == "multipart/form-data":
        return _of_form(raw, options.get("boundary", ""), limit)
    if kind in RAW_TYPES or kind.startswith("audio/"):
        return SentFile(raw, "")
    raise UploadMediaTypeUnsupported


def _of_form(raw: bytes, boundary: str, limit: int) -> SentFile:
    if not boundary:
        raise UploadFormInvalid(reason="its Content-Type names no boundary")
    try:
        parser = MultipartParser(
            io.BytesIO(raw),
            boundary,
            content_length=len(raw),
            strict=True,
            part_limit=_MOST_PARTS,
            memory_limit=limit,
            spool_limit=limit,
            disk_limit=0,
        )
        part = parser.get("file")
        if part is None:
            raise UploadFormInvalid(reason="it has no part `file`")
        return SentFile(part.raw, _shown(part.filename or ""))
    except (MultipartError, UnicodeError) as error:
        raise UploadFormInvalid(reason=str(error)[:200]) from error


def _shown(filename: str) -> str:
    """The last part of a path, without what cannot be shown."""
    last = filename.replace("\\", "/").rpartition("/")[2]
    return "".join(character for character in last if character.isprintable())[:LONGEST_NAME]
