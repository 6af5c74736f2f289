"""What calls play: speech, and sound files fetched through the egress guard."""

from sautikitd.calls.models import CallRecord
from sautikitd.egress.client import EgressClient, EgressLimits
from sautikitd.egress.failures import EgressFailure
from sautikitd.flow.port import PromptUnavailable
from sautikitd.voice.prompts import Decoder, PromptRenderer, Speaker

_LARGEST_FILE = 20 * 1024 * 1024
_FETCH_S = 15.0


class Prompting:
    """One for the node; `of` makes a call's own, whose mode decides what may be fetched."""

    def __init__(self, speaker: Speaker, decoder: Decoder, egress: EgressClient) -> None:
        self._speaker = speaker
        self._decoder = decoder
        self._egress = egress

    def of(self, call: CallRecord) -> PromptRenderer:
        live = call.mode == "live"
        return PromptRenderer(self._speaker, self._decoder, lambda url: self._fetch(url, live))

    async def _fetch(self, url: str, live: bool) -> bytes:
        try:
            exchange = await self._egress.request(
                "GET", url, live=live, limits=EgressLimits(total_s=_FETCH_S, body_bytes=_LARGEST_FILE + 1)
            )
        except EgressFailure as failure:
            raise PromptUnavailable(f"{url}: {failure.message}") from failure
        if not exchange.ok:
            raise PromptUnavailable(f"{url} answered {exchange.status}")
        if exchange.truncated or len(exchange.body) > _LARGEST_FILE:
            raise PromptUnavailable(f"{url} is larger than {_LARGEST_FILE} bytes")
        return exchange.body
