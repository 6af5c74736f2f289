from collections.abc import Iterator
from typing import Annotated, ClassVar

import msgspec

from sautikitd.flow import abilities
from sautikitd.flow.callbacks.question import Method, Question, SessionState
from sautikitd.flow.port import Recorded, RecordSpec, TranscriptionWish
from sautikitd.flow.verbs.verb import Flaw, Keys, Reference, Run, Verb, reference_flaws, told_of_recording

_LANGUAGE = r"^[A-Za-z]{2,3}(-[A-Za-z0-9]{2,8}){0,2}$(?!\n)"


class RecordVerb(Verb, frozen=True, kw_only=True, tag="record"):
    """Records what the caller says until `timeout` s of silence, a finish key or `maxLength` s.

    With `action` its reply replaces the flow; without, the next verb runs. `trimSilence` cuts the silence before the
    first and after the last word. With `transcribe` what was said is written down once the recording is stored
    (`GET /v1/recordings/{id}/transcription`) and told to `transcribeCallback`, as the event `recording.transcribed`;
    `transcribeLanguage` (BCP 47) helps, else the engine finds out.
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
    recording_status_callback: Reference | None = None
    transcribe: bool = False
    transcribe_callback: Reference | None = None
    transcribe_language: Annotated[str, msgspec.Meta(pattern=_LANGUAGE)] | None = None

    def flaws(self) -> Iterator[Flaw]:
        yield from reference_flaws("action", self.action)
        yield from reference_flaws("recordingStatusCallback", self.recording_status_callback)
        yield from reference_flaws("transcribeCallback", self.transcribe_callback)
        if self.transcribe and not abilities.installed().transcription:
            reason = (
                "this installation has no engine of transcription; leave it out, or ask its operator for one"
            )
            yield Flaw("transcribe", reason, "flow.transcription_unavailable")

    async def execute(self, run: Run) -> None:
        recorded = await run.leg.record(
            RecordSpec(
                max_length_s=self.max_length,
                silence_timeout_s=self.timeout,
                finish_on_key=self.finish_on_key,
                beep=self.beep,
                trim_silence=self.trim_silence,
                transcription=self._transcription(run) if self.transcribe else None,
                told=told_of_recording(run, self.recording_status_callback, "RecordVerb"),
            )
        )
        url = run.recording_url(recorded.recording_id)
        run.tell(recording=str(recorded.recording_id), end=recorded.end.value, ms=str(recorded.duration_ms))
        if self.action is not None:
            await run.ask(self._question(self.action, url, recorded))

    def _transcription(self, run: Run) -> TranscriptionWish:
        callback = self.transcribe_callback
        url = run.absolute(callback) if callback is not None else None
        if callback is not None and url is None:
            run.warn("a relative URL, and no URL that it could be relative to", field="transcribeCallback")
        return TranscriptionWish(language=self.transcribe_language, callback_url=url)

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
