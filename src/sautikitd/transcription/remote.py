"""A transcription service over HTTP, of the operator's choice, in the form that most of them offer:
`POST /v1/audio/transcriptions`, a multipart form with `file`, `model`, `language`, answered with `{"text": …}`."""

import asyncio
import os
from pathlib import Path
from secrets import token_hex

import msgspec

from sautikitd.egress.client import EgressClient, EgressLimits
from sautikitd.egress.failures import EgressFailure
from sautikitd.recordings.mp3 import EncodingFailed, encode_apart
from sautikitd.transcription.engine import Transcript, TranscriptionFailed

_TIMEOUT_S = 300.0
_LARGEST_WAV = 20 * 1024 * 1024
_LARGEST_SENT = 64 * 1024 * 1024
_LARGEST_ANSWER = 4 * 1024 * 1024
_AGAIN = frozenset({408, 409, 425, 429})
"""Refusals that pass (RFC 9110, RFC 6585, RFC 8470); any other 4xx would only be repeated."""


class TranscriptionService(msgspec.Struct, frozen=True, kw_only=True):
    """`url` is the whole address; `key` is sent as a bearer credential."""

    url: str
    key: str | None = None
    model: str = "whisper-1"


class _Heard(msgspec.Struct):
    text: str
    language: str | None = None


class RemoteTranscriber:
    """Recordings over 20 MB (21 minutes) are sent as MP3, for such services cap what they take."""

    name = "http"

    def __init__(
        self, egress: EgressClient, service: TranscriptionService, *, timeout_s: float = _TIMEOUT_S
    ) -> None:
        """`egress` is guarded as the operator's own services are: private addresses may be among them."""
        self._egress = egress
        self._service = service
        self._limits = EgressLimits(total_s=timeout_s, body_bytes=_LARGEST_ANSWER, truncate=False)

    async def transcribe(self, wav: Path, language: str | None) -> Transcript:
        file = await _sendable(wav)
        fields = {"model": self._service.model, "response_format": "json"}
        if language:
            fields["language"] = language.partition("-")[0].lower()
        boundary = token_hex(16)
        headers = {
            "Content-Type": f"multipart/form-data; boundary={boundary}",
            "Accept": "application/json",
        }
        if self._service.key:
            headers["Authorization"] = f"Bearer {self._service.key}"
        try:
            exchange = await self._egress.request(
                "POST",
                self._service.url,
                live=False,
                headers=headers,
                body=await asyncio.to_thread(_form, boundary, fields, file),
                limits=self._limits,
            )
        except EgressFailure as failure:
            raise TranscriptionFailed(
                f"the transcription service failed: {failure.message}", final=False
            ) from failure
        if not exchange.ok:
            final = 400 <= exchange.status < 500 and exchange.status not in _AGAIN
            raise TranscriptionFailed(f"the transcription service answered {exchange.status}", final=final)
        try:
            heard = msgspec.json.decode(exchange.body, type=_Heard)
        except msgspec.MsgspecError as error:
            raise TranscriptionFailed(
                "the transcription service answered no JSON with a text", final=False
            ) from error
        return Transcript(text=heard.text.strip(), language=heard.language or language)


async def _sendable(wav: Path) -> Path:
    if await asyncio.to_thread(os.path.getsize, wav) <= _LARGEST_WAV:
        return wav
    mp3 = wav.with_suffix(".mp3")
    try:
        await encode_apart(wav, mp3)
    except EncodingFailed as error:
        raise TranscriptionFailed(f"the recording could not be encoded: {error}", final=True) from error
    if await asyncio.to_thread(os.path.getsize, mp3) > _LARGEST_SENT:
        raise TranscriptionFailed("the recording is too long to be transcribed", final=True)
    return mp3


def _form(boundary: str, fields: dict[str, str], file: Path) -> bytes:
    """RFC 7578. The values are ours or the operator's, the file name is ours."""
    kind = "audio/mpeg" if file.suffix == ".mp3" else "audio/wav"
    parts = [
        f'--{boundary}\r\nContent-Disposition: form-data; name="{name}"\r\n\r\n{value}\r\n'
        for name, value in fields.items()
    ]
    head = (
        f'--{boundary}\r\nContent-Disposition: form-data; name="file"; filename="{file.name}"\r\n'
        f"Content-Type: {kind}\r\n\r\n"
    )
    return "".join(parts).encode() + head.encode() + file.read_bytes() + f"\r\n--{boundary}--\r\n".encode()
