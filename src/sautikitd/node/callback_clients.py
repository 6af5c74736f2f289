"""Asking on behalf of a call: its vocabulary, its log, and the secrets of its workspace."""

from collections import OrderedDict
from collections.abc import Sequence
from uuid import UUID

from sautikitd.calls.models import CallRecord
from sautikitd.clock import Clock
from sautikitd.database.pool import Database, DatabaseUnavailable
from sautikitd.egress.client import EgressClient
from sautikitd.events.models import Mode
from sautikitd.flow.callbacks.client import CallbackClient
from sautikitd.flow.callbacks.formats import vocabulary_of
from sautikitd.flow.context import CallbackFormat
from sautikitd.identity.signing_secrets import SigningSecrets
from sautikitd.node.journal import JournalWriter

_MOST_REMEMBERED = 10_000  # workspaces and modes, those last asked for


class CallbackClients:
    """Makes them; one for the node."""

    def __init__(
        self,
        database: Database,
        egress: EgressClient,
        secrets: SigningSecrets,
        journal: JournalWriter,
        clock: Clock,
    ) -> None:
        self._database = database
        self._egress = egress
        self._secrets = secrets
        self._journal = journal
        self._clock = clock
        self._known: OrderedDict[tuple[UUID, Mode], Sequence[str]] = OrderedDict()

    def of(self, call: CallRecord) -> CallbackClient:
        return CallbackClient(
            self._egress,
            vocabulary=vocabulary_of(CallbackFormat(call.callback_format)),
            secrets=lambda: self.secrets_of(call),
            log=self._journal.of(call),
            live=call.mode == "live",
            clock=self._clock,
        )

    async def secrets_of(self, call: CallRecord) -> Sequence[str]:
        """The signing secrets; while the database is away, those it had last."""
        place = (call.workspace_id, call.mode)
        try:
            async with self._database.connection() as connection:
                secrets = await self._secrets.valid(connection, *place)
        except DatabaseUnavailable:
            if place not in self._known:
                raise
            return self._known[place]
        self._remember(place, secrets)
        return secrets

    def _remember(self, place: tuple[UUID, Mode], secrets: Sequence[str]) -> None:
        self._known[place] = secrets
        self._known.move_to_end(place)
        if len(self._known) > _MOST_REMEMBERED:
            self._known.popitem(last=False)
