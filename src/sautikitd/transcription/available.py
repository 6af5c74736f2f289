"""Whether this installation can transcribe: what `record.transcribe` is refused by."""

import importlib.util

from sautikitd.settings import Settings


def transcribes(settings: Settings) -> bool:
    """A service is configured, or models of vosk are and vosk is installed."""
    return bool(settings.transcription_url) or (
        bool(settings.vosk_models) and importlib.util.find_spec("vosk") is not None
    )
