from collections.abc import Iterator
from typing import Annotated, ClassVar

import msgspec

from sautikitd.flow.callbacks.question import Method, Question, SessionState
from sautikitd.flow.port import Recorded, RecordSpec
from sautikitd.flow.verbs.verb import Flaw, Keys, Reference, Run, Verb, reference_flaws


class RecordVerb(Verb, frozen=True, kw_only=True, tag="record"):
    """Records what the caller says until `timeout` s of silence, a finish key or `maxLength` s.

    With `action` its reply replaces the flow; without, the next verb runs.
    """

    answers: ClassVar[bool] = True
    takes_time: ClassVar[bool] = True

    action: Reference | None = None
    method: Method = Method.POST
    timeout: Annotated[int, msgspec.Meta(ge=1, le=3600)] = 5
    max_length: Annotated[int, msgspec.Meta(ge=1, le=14400)] = 3600
    finish_on_key: Keys = "#"
    beep: bool = True
    trim_silence: bool = False
    transcribe: bool = False
    transcribe_callback: Reference | None = None

    def flaws(self) -> Iterator[Flaw]:
        yield from reference_flaws("action", self.action)
        yield from reference_flaws("transcribeCallback", self.transcribe_callback)
        if self.transcribe:
            yield Flaw("transcribe", "transcription is not yet in this version")

    async def execute(self, run: Run) -> None:
        recorded = await run.leg.record(
            RecordSpec(
                max_length_s=self.max_length,
                silence_timeout_s=self.timeout,
                finish_on_key=self.finish_on_key,
                beep=self.beep,
                trim_silence=self.trim_silence,
            )
        )
        url = run.recording_url(recorded.recording_id)
        run.tell(recording=str(recorded.recording_id), end=recorded.end.value, ms=str(recorded.duration_ms))
        if self.action is not None:
            await run.ask(self._question(self.action, url, recorded))

    def _question(self, action: str, recording_url: str, recorded: Recorded) -> Question:
        return Question(
            url=action,
            method=self.method,
            state=SessionState.RECORD_COMPLETED,
            digits=recorded.digit,
            results={
                "recordingUrl": recording_url,
                "recordingId": str(recorded.recording_id),
                "recordingDuration": str(-(-recorded.duration_ms // 1000)),
                "recordingEnd": recorded.end.value,
            },
        )

    def told(self) -> str:
        return f"record, at most {self.max_length} s"
