"""The HTTP API of a platform: every room's routes behind one kernel, as an ASGI application."""

import asyncio
import ipaddress
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from uuid import UUID

from sautikitd.app import Platform
from sautikitd.calls.adding import AddLeg
from sautikitd.calls.controlled.routes import ControlRoutes
from sautikitd.calls.live_control import ControlCall
from sautikitd.calls.live_routes import LiveCallRoutes
from sautikitd.calls.routes import CallRoutes, TestCallRoutes
from sautikitd.calls.search import CallSearch
from sautikitd.calls.test_calls import TestCalls
from sautikitd.database.pool import DatabaseUnavailable
from sautikitd.devices.addresses import DeviceAddresses
from sautikitd.devices.credentials import SipCredentials
from sautikitd.devices.routes import DeviceRoutes
from sautikitd.flow.routes import FlowRoutes
from sautikitd.http.conventions import HSTS, SECURITY_HEADERS
from sautikitd.http.endpoint import Endpoint, endpoints_of
from sautikitd.http.idempotency import Idempotency
from sautikitd.http.kernel import Kernel
from sautikitd.http.rate_limit import RateLimiter
from sautikitd.http.server import Application, build
from sautikitd.identity.keys.authenticator import KeyAuthenticator
from sautikitd.identity.routes import IdentityRoutes
from sautikitd.numbers.claims import NumberClaims
from sautikitd.numbers.routes import NumberRoutes
from sautikitd.numbers.routing import NumberRouting
from sautikitd.payments.auto_topups.routes import AutoTopUpRoutes
from sautikitd.payments.callback_routes import CallbackRoutes
from sautikitd.payments.routes import TopUpRoutes
from sautikitd.payments.service import TopUps
from sautikitd.payments.sources import Sources
from sautikitd.recordings.mp3 import Mp3Maker
from sautikitd.recordings.routes import RecordingRoutes
from sautikitd.rooms.conferences.routes import ConferenceRoutes
from sautikitd.rooms.lifecycle import Rooms
from sautikitd.rooms.queues.lifecycle import CallerQueues
from sautikitd.rooms.queues.routes import QueueRoutes
from sautikitd.spending.routes import SpendingRoutes
from sautikitd.supervision.routes import SupervisionRoutes
from sautikitd.test_clock.clocks import TestClocks
from sautikitd.test_clock.routes import TestClockRoutes
from sautikitd.transcription.routes import TranscriptionRoutes
from sautikitd.uploads.routes import UploadRoutes
from sautikitd.uploads.service import AudioUploads
from sautikitd.wallet.alerts.routes import AlertRoutes
from sautikitd.wallet.alerts.service import AlertSubscribers
from sautikitd.wallet.documents.paper import Operator
from sautikitd.wallet.documents.routes import DocumentRoutes
from sautikitd.wallet.limit_routes import LimitRoutes
from sautikitd.wallet.routes import WalletRoutes
from sautikitd.webhooks.moved_clock import MovedClock
from sautikitd.webhooks.routes import EventRoutes, WebhookRoutes


@asynccontextmanager
async def open_api(platform: Platform) -> AsyncIterator[Application]:
    """The application, with what it does on the side running for as long as the block does."""
    authenticator = KeyAuthenticator(platform.database, platform.api_keys, platform.clock)
    beside = [asyncio.create_task(work) for work in (authenticator.run(), platform.control_feed.run())]
    try:
        yield build(
            _kernel(platform, authenticator),
            endpoints(platform, authenticator.forget_workspace),
            public_url=platform.settings.public_url,
            ready=lambda: _readiness(platform),
        )
    finally:
        for task in beside:
            task.cancel()
        await asyncio.gather(*beside, return_exceptions=True)


def endpoints(platform: Platform, forget_keys_of: Callable[[UUID], None]) -> Sequence[Endpoint]:
    """Every endpoint of the API, room by room, as the documentation lists them."""
    rooms = Rooms(platform.events)
    mp3 = Mp3Maker(
        database=platform.database,
        store=platform.recording_store,
        clock=platform.clock,
        scratch=platform.settings.data_dir / "scratch",
    )
    routes = (
        NumberRoutes(
            NumberClaims(platform.wallets, platform.events),
            NumberRouting(platform.workspaces),
            platform.releases,
        ),
        DeviceRoutes(SipCredentials(platform.box), DeviceAddresses.of(platform.settings), platform.clock),
        CallRoutes(
            platform.placing,
            CallSearch(platform.wallets, platform.recordings),
            platform.hang_up,
            platform.database,
            platform.waker,
        ),
        LiveCallRoutes(
            ControlCall(platform.clock),
            CallSearch(platform.wallets, platform.recordings),
            platform.waker,
        ),
        ControlRoutes(platform.database, platform.control_feed, platform.waker, platform.clock),
        SupervisionRoutes(
            platform.supervisions,
            AddLeg(platform.lifecycle, platform.sessions, platform.clock),
            platform.wallets,
            platform.waker,
            platform.clock,
        ),
        TestCallRoutes(TestCalls(platform.sessions, platform.clock), platform.waker),
        ConferenceRoutes(rooms, platform.waker),
        QueueRoutes(CallerQueues(platform.events, rooms), platform.waker),
        FlowRoutes(allow_private_urls=platform.settings.dev),
        RecordingRoutes(
            database=platform.database,
            service=platform.recordings,
            retention=platform.retention,
            store=platform.recording_store,
            links=platform.recording_links,
            mp3=mp3,
        ),
        TranscriptionRoutes(),
        UploadRoutes(AudioUploads(platform.recording_store, platform.database, platform.clock)),
        WalletRoutes(platform.wallets, platform.database),
        DocumentRoutes(
            Operator(
                name=platform.settings.operator_name,
                address=platform.settings.operator_address,
                kra_pin=platform.settings.operator_kra_pin,
                paybill=platform.settings.daraja_shortcode,
            )
        ),
        SpendingRoutes(),
        LimitRoutes(),
        AlertRoutes(AlertSubscribers(platform.alert_links), platform.alert_links),
        AutoTopUpRoutes(),
        TopUpRoutes(TopUps(platform.daraja_accounts, platform.clock), platform.waker),
        CallbackRoutes(
            database=platform.database,
            paths=platform.callback_paths,
            sources=Sources(platform.daraja_accounts),
            box=platform.box,
            waker=platform.waker,
        ),
        TestClockRoutes(
            TestClocks(
                platform.clock,
                platform.renewals,
                platform.retention,
                MovedClock(),
                platform.signing_secrets,
            ),
            forget_keys_of,
        ),
        WebhookRoutes(platform.webhooks, platform.waker),
        EventRoutes(),
        IdentityRoutes(platform.api_keys, platform.workspaces, platform.signing_secrets, platform.database),
    )
    return [endpoint for room in routes for endpoint in endpoints_of(room)]


def _kernel(platform: Platform, authenticator: KeyAuthenticator) -> Kernel:
    settings = platform.settings
    limit = settings.rate_limit
    limiter = RateLimiter(
        platform.clock,
        per_second=limit.per_second / settings.api_workers,
        burst=max(1, limit.burst // settings.api_workers),
    )
    return Kernel(
        database=platform.database,
        authenticator=authenticator,
        idempotency=Idempotency(platform.box),
        limiter=limiter,
        clock=platform.clock,
        docs_base=settings.docs_url,
        allow_private_urls=settings.dev,
        security_headers=SECURITY_HEADERS | (HSTS if settings.public_url.startswith("https://") else {}),
        trusted_proxies=[ipaddress.ip_network(network) for network in settings.trusted_proxies],
    )


async def _readiness(platform: Platform) -> dict[str, str]:
    try:
        async with asyncio.timeout(3), platform.database.connection() as connection:
            await connection.fetchval("SELECT 1")
    except (*DatabaseUnavailable, TimeoutError) as exc:
        return {"database": f"cannot be reached: {exc or type(exc).__name__}"}
    return {"database": "ok"}
