"""The vocabularies of voice callbacks. A new one is a file beside this and an entry here."""

from sautikitd.flow.callbacks.africastalking import AfricasTalkingVocabulary
from sautikitd.flow.callbacks.sautikit import SautikitVocabulary
from sautikitd.flow.callbacks.twilio import TwilioVocabulary
from sautikitd.flow.callbacks.vocabulary import Vocabulary
from sautikitd.flow.context import CallbackFormat

VOCABULARIES: dict[CallbackFormat, Vocabulary] = {
    CallbackFormat.SAUTIKIT: SautikitVocabulary(),
    CallbackFormat.AFRICASTALKING: AfricasTalkingVocabulary(),
    CallbackFormat.TWILIO: TwilioVocabulary(),
}


def vocabulary_of(wanted: CallbackFormat) -> Vocabulary:
    """Every format of the contract has its vocabulary."""
    return VOCABULARIES[wanted]
