"""Which espeak-ng voice speaks a language, and how the voices of the `say` verb sound."""

import re

# BCP 47 language to espeak-ng voice file. East African English is nearest to British, which is its plain `en`.
_LANGUAGES = {
    "en-KE": "en",
    "en-UG": "en",
    "en-TZ": "en",
    "en-GB": "en",
    "en-US": "en-us",
    "sw-KE": "sw",
    "sw-TZ": "sw",
    "sw-UG": "sw",
    "fr-FR": "fr",
}
_BY_PRIMARY = {"en": "en", "sw": "sw", "fr": "fr", "am": "am", "om": "om", "ar": "ar", "pt": "pt"}
_DEFAULT_LANGUAGE = "en"
_VARIANTS = {"woman": "+f3", "man": "+m3", "alice": "+f2"}
_DEFAULT_VARIANT = "+f3"
_OWN_VARIANT = re.compile(r"[fm][1-8]")

LANGUAGES = frozenset(_LANGUAGES)
VOICES = frozenset(_VARIANTS)


def espeak_voice(language: str, voice: str) -> str:
    """The nearest voice there is: an unknown language is read as English, an unknown voice as `woman`; a variant of
    espeak-ng's own (`m5`, `f4`) as that."""
    primary = language.partition("-")[0].lower()
    spoken = _LANGUAGES.get(language) or _BY_PRIMARY.get(primary, _DEFAULT_LANGUAGE)
    if _OWN_VARIANT.fullmatch(voice):
        return f"{spoken}+{voice}"
    return spoken + _VARIANTS.get(voice, _DEFAULT_VARIANT)
