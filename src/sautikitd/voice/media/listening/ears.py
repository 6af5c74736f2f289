"""Legs on which it is still being found out who answered: each hears its frame of the tick."""

from collections.abc import Callable

from sautikitd.voice.media.leg import Leg
from sautikitd.voice.media.listening.answerer import AnswererEar
from sautikitd.voice.media.protocol import AnswererFound, Event, GreetingOver
from sautikitd.voice.media.rows import Rows


class Ears:
    def __init__(self, rows: Rows, emit: Callable[[Event], None]) -> None:
        self._rows = rows
        self._emit = emit
        self._listening: dict[str, tuple[Leg, AnswererEar]] = {}

    def __len__(self) -> int:
        return len(self._listening)

    def listen(self, leg: Leg, *, to_the_end: bool) -> None:
        """From now on; the answer is just being given. Listening anew forgets what was heard."""
        self._listening[leg.leg_id] = leg, AnswererEar(to_the_end=to_the_end)

    def stop(self, leg: Leg) -> None:
        self._listening.pop(leg.leg_id, None)

    def hear(self) -> None:
        """One tick: after the frames were decoded."""
        for leg, ear in list(self._listening.values()):
            known = ear.answerer
            ear.hear(self._rows.heard[leg.row])
            if known is None and ear.answerer is not None:
                self._emit(AnswererFound(leg_id=leg.leg_id, answerer=ear.answerer, after_ms=ear.elapsed_ms))
            if ear.over:
                self.stop(leg)
                if ear.greeting_end is not None:
                    end = GreetingOver(leg_id=leg.leg_id, end=ear.greeting_end, after_ms=ear.elapsed_ms)
                    self._emit(end)
