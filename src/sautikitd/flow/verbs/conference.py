from collections.abc import Iterator
from enum import StrEnum
from typing import Annotated, ClassVar

import msgspec

from sautikitd.flow.callbacks.question import Method, Question, SessionState
from sautikitd.flow.rooms_port import STATUS_WORDS, Attended, AttendEnd, BeepOn, ConferenceSpec
from sautikitd.flow.uploaded import sound_flaws
from sautikitd.flow.verbs.verb import (
    ADDRESS,
    Flaw,
    Keys,
    Reference,
    Run,
    Verb,
    reference_flaws,
    told_of_recording,
)
from sautikitd.flow.verbs.waiting import WaitSounds

MOST_PARTICIPANTS = 250

RoomName = Annotated[str, msgspec.Meta(min_length=1, max_length=128)]
"""Of a conference or a queue: any text, one room of that name for each workspace and mode."""

WaitReference = Annotated[str, msgspec.Meta(max_length=8192, extra={ADDRESS: "http"})]
"""A URL as in `Reference`; the empty text is silence."""


class BeepEdge(StrEnum):
    """Only when he comes, or only when he goes."""

    ON_ENTER = "onEnter"
    ON_EXIT = "onExit"


class StatusFormat(StrEnum):
    """In whose words status events are told: our signed events, or Twilio's forms."""

    SAUTIKIT = "sautikit"
    TWILIO = "twilio"


_BEEPS = {
    True: BeepOn.BOTH,
    False: BeepOn.NONE,
    BeepEdge.ON_ENTER: BeepOn.ENTER,
    BeepEdge.ON_EXIT: BeepOn.EXIT,
}


class ConferenceVerb(Verb, frozen=True, kw_only=True, tag="conference"):
    """Joins the room `name`, and goes on with the next verb when the caller has been taken out of it or it is over.

    The conference starts with the second participant, once somebody with `startOnEnter` is there; until then
    everybody hears `waitUrl`. It ends when a participant with `endOnExit` leaves. A room with `maxParticipants`
    (0: 250) is full, and passed over. With `collectDigits` what is pressed (`numDigits` keys, 0: up to
    `finishOnKey` or a pause) is posted to `digitsCallbackUrl` (default: the voice callback): a reply with actions
    takes the caller out of the room and replaces the flow; an empty one leaves him there. `coach` (the id of a
    call) is heard by that call alone. `action` is asked when he is out of it, and its reply replaces the flow.
    `statusEvents`, all by default, are posted as signed events; in `statusEventsFormat` `twilio`, which is that of calls
    in Twilio's vocabulary, as Twilio's signed forms. `recordingStatusCallback` is told of its recordings, in Twilio's
    words; the first that somebody brings holds for the room.
    """

    answers: ClassVar[bool] = True
    takes_time: ClassVar[bool] = True

    name: RoomName
    max_participants: Annotated[int, msgspec.Meta(ge=0, le=MOST_PARTICIPANTS)] = 0
    record: bool = False
    recording_status_callback: Reference | None = None
    beep: bool | BeepEdge = False
    muted: bool = False
    start_on_enter: bool = True
    end_on_exit: bool = False
    wait_url: WaitReference | None = None
    wait_method: Method = Method.POST
    status_events: str | tuple[str, ...] = ()
    status_events_callback_url: Reference | None = None
    status_events_format: StatusFormat | None = None
    collect_digits: bool = False
    num_digits: Annotated[int, msgspec.Meta(ge=0, le=64)] = 0
    finish_on_key: Keys = "#"
    digits_callback_url: Reference | None = None
    action: Reference | None = None
    method: Method = Method.POST
    coach: Annotated[str, msgspec.Meta(min_length=1, max_length=64)] | None = None

    def flaws(self) -> Iterator[Flaw]:
        yield from sound_flaws("waitUrl", self.wait_url or None)
        yield from reference_flaws("statusEventsCallbackUrl", self.status_events_callback_url)
        yield from reference_flaws("recordingStatusCallback", self.recording_status_callback)
        yield from reference_flaws("digitsCallbackUrl", self.digits_callback_url)
        yield from reference_flaws("action", self.action)

    def remarks(self) -> Iterator[Flaw]:
        unknown = [word for word in self._words() if word not in STATUS_WORDS]
        if unknown:
            yield Flaw("statusEvents", f"unknown, passed over: {', '.join(unknown[:5])}")

    async def execute(self, run: Run) -> None:
        async def take(digits: str) -> bool:
            return await self._hand_over(run, digits)

        attended = await run.rooms.attend(
            self._spec(run), WaitSounds(run, self.wait_url, self.wait_method), take
        )
        run.tell(
            end=attended.end.value,
            seconds=str(attended.seconds),
            conference=str(attended.conference_id or ""),
        )
        if attended.end is AttendEnd.FULL:
            run.warn(f"the conference has {self._most} participants, which is all that it takes; passed over")
        elif attended.end is AttendEnd.FAILED:
            run.warn("the conference could not be joined; passed over")
        if (
            self.action is not None and attended.end is not AttendEnd.LEFT
        ):  # else his keys have replaced the flow
            await run.ask(self._question(self.action, attended))

    def _question(self, action: str, attended: Attended) -> Question:
        joined = attended.end not in (AttendEnd.FULL, AttendEnd.FAILED)
        return Question(
            url=action,
            method=self.method,
            state=SessionState.DIAL_COMPLETED,
            results={
                "conferenceName": self.name,
                "conferenceId": str(attended.conference_id or ""),
                "conferenceEnd": attended.end.value,
                "dialStatus": "answered" if joined else "failed",
                "dialDuration": str(attended.seconds),
            },
        )

    @property
    def _most(self) -> int:
        return self.max_participants or MOST_PARTICIPANTS

    def _spec(self, run: Run) -> ConferenceSpec:
        reference = self.status_events_callback_url
        status_url = run.absolute(reference) if reference is not None else None
        if reference is not None and status_url is None:
            run.warn(
                "a relative URL, and no URL that it could be relative to", field="statusEventsCallbackUrl"
            )
        return ConferenceSpec(
            name=self.name,
            most=self._most,
            record=self.record,
            recording_told=told_of_recording(run, self.recording_status_callback, "Conference"),
            beep=_BEEPS[self.beep],
            muted=self.muted,
            starts=self.start_on_enter,
            ends=self.end_on_exit,
            coach=self.coach,
            status_url=status_url,
            twilio_status=self.status_events_format is StatusFormat.TWILIO,
            status_events=tuple(word for word in self._words() if word in STATUS_WORDS),
            num_digits=self.num_digits if self.collect_digits else None,
            finish_on_key=self.finish_on_key,
        )

    def _words(self) -> tuple[str, ...]:
        """A list, or a text with spaces or commas between."""
        if isinstance(self.status_events, str):
            return tuple(self.status_events.replace(",", " ").split())
        return self.status_events

    async def _hand_over(self, run: Run, digits: str) -> bool:
        reference = self.digits_callback_url
        question = Question(url=reference) if reference is not None else run.voice_callback
        if question is None:
            return False
        reply = await run.consult(
            msgspec.structs.replace(
                question,
                state=SessionState.DIGITS_COLLECTED,
                digits=digits,
                results={"conferenceName": self.name},
                aside=True,
            )
        )
        if reply is None or not reply.flow.actions:
            return False
        run.replace(reply)
        return True

    def told(self) -> str:
        return f"conference {self.name}"
