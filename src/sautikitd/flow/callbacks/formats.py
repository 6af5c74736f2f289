"""Which vocabularies this version speaks. A new one is a file beside this and an entry here."""

from sautikitd.flow.callbacks.sautikit import SautikitVocabulary
from sautikitd.flow.callbacks.vocabulary import Vocabulary
from sautikitd.flow.context import CallbackFormat

VOCABULARIES: dict[CallbackFormat, Vocabulary] = {
    vocabulary.format: vocabulary for vocabulary in (SautikitVocabulary(),)
}


class CallbackFormatUnavailable(Exception):
    """The callback format is not yet in this version; use `sautikit`."""

    def __init__(self, wanted: CallbackFormat) -> None:
        super().__init__(f"callback_format {wanted.value} is not yet in this version; use sautikit")


def vocabulary_of(wanted: CallbackFormat) -> Vocabulary:
    """Raises `CallbackFormatUnavailable`; call it where a number or a call is given its format."""
    vocabulary = VOCABULARIES.get(wanted)
    if vocabulary is None:
        raise CallbackFormatUnavailable(wanted)
    return vocabulary
