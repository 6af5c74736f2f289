"""What calls play: speech, and sound files fetched through the egress guard or uploaded beforehand."""

from sautikitd.calls.models import CallRecord
from sautikitd.clock import Clock
from sautikitd.egress.client import EgressClient, EgressLimits
from sautikitd.egress.failures import EgressFailure
from sautikitd.flow.journal import EntryKind, FlowEntry
from sautikitd.flow.port import PromptUnavailable
from sautikitd.flow.uploaded import upload_id_of
from sautikitd.node.journal import JournalWriter
from sautikitd.uploads.playing import UploadedSounds
from sautikitd.voice.prompts import Decoder, PromptRenderer, Speaker

_LARGEST_FILE = 20 * 1024 * 1024
_FETCH_S = 15.0


class Prompting:
    """One for the node; `of` makes a call's own, whose mode decides what may be fetched."""

    def __init__(
        self,
        speaker: Speaker,
        decoder: Decoder,
        egress: EgressClient,
        uploads: UploadedSounds,
        journal: JournalWriter,
        clock: Clock,
    ) -> None:
        self._speaker = speaker
        self._decoder = decoder
        self._egress = egress
        self._uploads = uploads
        self._journal = journal
        self._clock = clock

    def of(self, call: CallRecord) -> PromptRenderer:
        story = self._journal.of(call)

        def warn(warning: str) -> None:
            story.write(FlowEntry(kind=EntryKind.WARNING, at=self._clock.now(), text=warning[:300]))

        return PromptRenderer(self._speaker, self._decoder, lambda url: self._fetch(url, call), warn)

    async def _fetch(self, url: str, call: CallRecord) -> bytes:
        upload_id = upload_id_of(url)
        if upload_id is not None:
            return await self._uploads.read(upload_id, call.workspace_id, call.mode)
        try:
            exchange = await self._egress.request(
                "GET",
                url,
                live=call.mode == "live",
                limits=EgressLimits(total_s=_FETCH_S, body_bytes=_LARGEST_FILE + 1),
            )
        except EgressFailure as failure:
            raise PromptUnavailable(f"{url}: {failure.message}") from failure
        if not exchange.ok:
            raise PromptUnavailable(f"{url} answered {exchange.status}")
        if exchange.truncated or len(exchange.body) > _LARGEST_FILE:
            raise PromptUnavailable(f"{url} is larger than {_LARGEST_FILE} bytes")
        return exchange.body
