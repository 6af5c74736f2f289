"""What a customer asks of a live call, carried out on the node that runs it."""

from collections.abc import Mapping, Sequence
from uuid import UUID

import structlog

from sautikitd.calls.commands import Command, CommandKind
from sautikitd.clock import Clock
from sautikitd.database.pool import DatabaseUnavailable
from sautikitd.flow.document import Flow, FlowInvalid
from sautikitd.flow.journal import EntryKind, FlowEntry
from sautikitd.flow.reader import read_actions
from sautikitd.node.journal import JournalWriter
from sautikitd.node.live.commander import Handler, RunningCall
from sautikitd.node.live.flow import LiveFlows, Replacement
from sautikitd.node.recordings import NodeRecordings
from sautikitd.voice.leg import MediaLeg
from sautikitd.voice.media.client import MediaLost, MediaRefused

log = structlog.get_logger(__name__)

NOT_HERE, NOT_ANSWERED, DONE = "not here", "not answered", "done"


class LiveControl:
    """One for the node; `calls` are its running calls by id. Every method is a `Handler` of the commander."""

    def __init__(
        self,
        calls: Mapping[UUID, RunningCall],
        flows: LiveFlows,
        recordings: NodeRecordings,
        journal: JournalWriter,
        clock: Clock,
    ) -> None:
        self._calls = calls
        self._flows = flows
        self._recordings = recordings
        self._journal = journal
        self._clock = clock

    @property
    def handlers(self) -> dict[CommandKind, Handler]:
        return {
            CommandKind.FLOW_REPLACE: self.replace_flow,
            CommandKind.DTMF: self.send_digits,
            CommandKind.RECORDING_START: self.start_recording,
            CommandKind.RECORDING_PAUSE: self.steer_recording,
            CommandKind.RECORDING_RESUME: self.steer_recording,
            CommandKind.RECORDING_STOP: self.steer_recording,
        }

    async def replace_flow(self, command: Command) -> str:
        if command.call_id not in self._calls:
            return NOT_HERE
        actions, flow = command.payload.get("actions"), None
        if actions is not None:
            flow = read_actions(actions)
            if isinstance(flow, FlowInvalid):  # checked when it was asked for, by an API of another version
                return f"invalid: {flow}"
        wanted = Replacement(
            actions=_flow(flow), voice_callback_url=command.payload.get("voice_callback_url")
        )
        self._flows.forget_early(lambda call_id: call_id in self._calls)
        return DONE if self._flows.replace(command.call_id, wanted) else "kept for the answer"

    async def send_digits(self, command: Command) -> str:
        legs = self._talking(command.call_id)
        if not legs:
            return NOT_ANSWERED
        digits = str(command.payload["digits"])
        for leg in legs:
            await leg.press(digits)
        self._tell(legs[0], f"{len(digits)} key presses sent to the far end")
        return DONE

    async def start_recording(self, command: Command) -> str:
        payload = command.payload
        for leg in self._talking(command.call_id):
            try:
                await leg.recordings.start(
                    channels=int(payload["channels"]),
                    max_length_s=int(payload["max_length_s"]),
                    recording_id=UUID(payload["recording_id"]),
                )
            except (MediaRefused, MediaLost, *DatabaseUnavailable) as exc:
                log.error("node.not_recorded", call_id=str(command.call_id), error=repr(exc))
                return f"failed: {exc}"
            self._tell(leg, f"recording {payload['recording_id']} started")
            return DONE
        return NOT_ANSWERED

    async def steer_recording(self, command: Command) -> str:
        """Of a leg or of a room, whoever of its calls is left."""
        recording_id = str(command.payload.get("recording_id", ""))
        writer = await self._recordings.writer_of(UUID(recording_id))
        if writer is None:
            return "not being written"
        act = {
            CommandKind.RECORDING_PAUSE: writer.pause,
            CommandKind.RECORDING_RESUME: writer.resume,
            CommandKind.RECORDING_STOP: writer.stop,
        }[CommandKind(command.kind)]
        try:
            await act(recording_id)
        except (MediaRefused, MediaLost) as exc:
            return str(exc)
        return DONE

    def _talking(self, call_id: UUID) -> Sequence[MediaLeg]:
        """The answered legs of a call; of a group only the one that won is."""
        call = self._calls.get(call_id)
        return [leg for leg in call.legs if leg.answered and not leg.ended] if call else []

    def _tell(self, leg: MediaLeg, text: str) -> None:
        if call := self._recordings.known(leg.call_id):
            entry = FlowEntry(kind=EntryKind.COMMANDED, at=self._clock.now(), text=text)
            self._journal.of(call).write(entry)


def _flow(read: Flow | FlowInvalid | None) -> Flow | None:
    return None if isinstance(read, FlowInvalid) else read
