"""The composition root: every room made once, from settings, and handed what it needs. Nothing else wires anything."""

import hmac
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from sautikitd.calls.control import HangUp
from sautikitd.calls.controlled.feed import ControlFeed
from sautikitd.calls.lifecycle import CallLifecycle
from sautikitd.calls.placing import PlaceOutboundCall
from sautikitd.calls.session_ids import SessionIds
from sautikitd.clock import Clock, SystemClock
from sautikitd.database.access import application_database_url
from sautikitd.database.pool import Connection, Database
from sautikitd.database.wake import Waker
from sautikitd.egress.guard import EgressGuard
from sautikitd.events.log import EventLog
from sautikitd.flow import abilities
from sautikitd.flow.abilities import Abilities
from sautikitd.identity.instance import InstanceSecrets
from sautikitd.identity.keys.service import ApiKeys
from sautikitd.identity.signing_secrets import SigningSecrets
from sautikitd.identity.workspaces import Workspaces
from sautikitd.mail.notices import OwnerNotices
from sautikitd.numbers.releases import NumberReleases
from sautikitd.numbers.renewals import RentalRenewals
from sautikitd.payments.accounts import CallbackPaths, DarajaAccounts, accounts_of
from sautikitd.payments.settlement import Settlement
from sautikitd.payments.suspense import Suspense
from sautikitd.recordings.links import Links
from sautikitd.recordings.retention import Retention
from sautikitd.recordings.service import RecordingService
from sautikitd.recordings.store import RecordingStore, open_store
from sautikitd.secretbox import SecretBox
from sautikitd.settings import Settings
from sautikitd.supervision.service import Supervisions
from sautikitd.transcription.available import transcribes
from sautikitd.trunks.service import Trunks
from sautikitd.wallet.alerts.links import AlertLinks
from sautikitd.wallet.alerts.mails import AlertMails
from sautikitd.wallet.limits import SpendGuards
from sautikitd.wallet.service import Wallets
from sautikitd.webhooks.secrets import SubscriptionSecrets
from sautikitd.webhooks.service import Webhooks


@dataclass(frozen=True, kw_only=True)
class Platform:
    """One process's share of the platform: its connections, and every room's services on top of them."""

    settings: Settings
    clock: Clock
    database: Database
    database_url: str
    waker: Waker
    box: SecretBox
    instance: InstanceSecrets
    guard: EgressGuard
    events: EventLog
    wallets: Wallets
    signing_secrets: SigningSecrets
    api_keys: ApiKeys
    workspaces: Workspaces
    trunks: Trunks
    sessions: SessionIds
    flow_key: bytes
    lifecycle: CallLifecycle
    hang_up: HangUp
    control_feed: ControlFeed
    supervisions: Supervisions
    placing: PlaceOutboundCall
    subscription_secrets: SubscriptionSecrets
    webhooks: Webhooks
    recording_store: RecordingStore
    recording_links: Links
    recordings: RecordingService
    retention: Retention
    releases: NumberReleases
    renewals: RentalRenewals
    spend_guards: SpendGuards
    notices: OwnerNotices
    alert_links: AlertLinks
    daraja_accounts: DarajaAccounts
    callback_paths: CallbackPaths
    settlement: Settlement
    suspense: Suspense


@asynccontextmanager
async def open_platform(
    settings: Settings,
    name: str,
    *,
    url: str | None = None,
    connections: int = 20,
    clock: Clock | None = None,
    keep_plans: bool = False,
) -> AsyncIterator[Platform]:
    """Connects to the database and makes every room. `name` shows in `pg_stat_activity`; `keep_plans` as for `Database`.

    Raises what `Database.connect` raises when there is no database, `MasterKeyInvalid` and
    `WrongMasterKeys` when the master keys are not the right ones, ValueError for a bad recordings URL.
    """
    async with AsyncExitStack() as held:
        database_url = url or application_database_url(settings)
        database = await Database.connect(
            database_url, name=f"sautikitd {name}", maximum=connections, keep_plans=keep_plans
        )
        held.push_async_callback(database.close)
        abilities.install(Abilities(transcription=transcribes(settings)))
        box = SecretBox.from_file(settings.master_keys)
        async with database.connection() as connection:
            instance = await InstanceSecrets.load(connection, box)
        waker = Waker(database)
        held.push_async_callback(waker.close)
        yield _wire(settings, clock or SystemClock(), database, database_url, waker, box, instance)


def _wire(
    settings: Settings,
    clock: Clock,
    database: Database,
    database_url: str,
    waker: Waker,
    box: SecretBox,
    instance: InstanceSecrets,
) -> Platform:
    guard = EgressGuard(allow_private=settings.dev)
    events = EventLog()
    notices = OwnerNotices(clock, settings.daraja_shortcode)
    alert_links = AlertLinks(_derived(instance, b"alert links"), settings.public_url)
    wallets = Wallets(events, clock, AlertMails(clock, alert_links, settings.daraja_shortcode))
    releases = NumberReleases(wallets, events, notices)
    signing_secrets = SigningSecrets(box, clock)
    guards = SpendGuards(events, clock, notices)
    lifecycle = CallLifecycle(wallets, events, guards)
    hang_up = HangUp(lifecycle)
    sessions = SessionIds(instance.session_id_key)
    subscription_secrets = SubscriptionSecrets(box)
    store = open_store(settings.recordings)
    links = Links(store, signing_key=_derived(instance, b"recording links"), public_url=settings.public_url)
    recordings = RecordingService(
        database=database, store=store, links=links, events=events, clock=clock, waker=waker
    )
    return Platform(
        settings=settings,
        clock=clock,
        database=database,
        database_url=database_url,
        waker=waker,
        box=box,
        instance=instance,
        guard=guard,
        events=events,
        wallets=wallets,
        signing_secrets=signing_secrets,
        api_keys=ApiKeys(instance),
        workspaces=Workspaces(wallets, signing_secrets, listeners=[StopCalls(hang_up)]),
        trunks=Trunks(box),
        sessions=sessions,
        flow_key=_derived(instance, b"sip flows"),
        lifecycle=lifecycle,
        hang_up=hang_up,
        control_feed=ControlFeed(database, database_url),
        supervisions=Supervisions(events),
        placing=PlaceOutboundCall(sessions, clock, guards),
        subscription_secrets=subscription_secrets,
        webhooks=Webhooks(subscription_secrets),
        recording_store=store,
        recording_links=links,
        recordings=recordings,
        retention=Retention(database=database, store=store, service=recordings, clock=clock),
        releases=releases,
        renewals=RentalRenewals(wallets, events, releases, clock, notices),
        notices=notices,
        spend_guards=guards,
        alert_links=alert_links,
        daraja_accounts=accounts_of(settings),
        callback_paths=CallbackPaths(_derived(instance, b"payment callback paths")),
        settlement=Settlement(wallets, events, clock),
        suspense=Suspense(wallets, clock),
    )


@dataclass(frozen=True)
class StopCalls:
    """What suspension means for calls: live ones are hung up, queued ones ended. Lifting it brings none back."""

    hang_up: HangUp

    async def suspended(self, connection: Connection, workspace_id: UUID, now: datetime) -> None:
        await self.hang_up.end_all_of(connection, workspace_id, now)

    async def unsuspended(self, connection: Connection, workspace_id: UUID, now: datetime) -> None:
        """Nothing to do: the queue takes calls again by itself."""


def _derived(instance: InstanceSecrets, purpose: bytes) -> bytes:
    """32 bytes for one purpose, the same in every process, that tell nothing about the secret they come from."""
    return hmac.digest(instance.key_pepper, b"sautikit derived key: " + purpose, "sha256")
