"""`sautikitd voice`: one voice node with its media processes."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from uuid import UUID

import aiohttp
import structlog

from sautikitd.app import Platform, open_platform
from sautikitd.calls import commands, queue
from sautikitd.calls.adding import AddLeg
from sautikitd.calls.receiving import ReceiveInboundCall
from sautikitd.database.wake import Listener
from sautikitd.egress.client import EgressClient
from sautikitd.events.log import CHANNEL as WEBHOOKS
from sautikitd.ids import uuid7
from sautikitd.node.books import Books
from sautikitd.node.callback_clients import CallbackClients
from sautikitd.node.conversation import Conversations
from sautikitd.node.dialling.failover import Failover
from sautikitd.node.dialling.means import Dialling
from sautikitd.node.dialling.transfer_desk import TransferDesk
from sautikitd.node.gauges import node_gauges
from sautikitd.node.inbound import Reception
from sautikitd.node.journal import JournalWriter
from sautikitd.node.last_reports import LastReports
from sautikitd.node.live.commander import RunningCall
from sautikitd.node.live.control import LiveControl
from sautikitd.node.live.controllers import Controllers
from sautikitd.node.live.supervising import Supervisors
from sautikitd.node.node import VoiceNode
from sautikitd.node.prompting import Prompting
from sautikitd.node.reaper import CarrierLegs, Reaper
from sautikitd.node.recordings import NodeRecordings
from sautikitd.node.rooms.rooms import NodeRooms
from sautikitd.node.speech_engines import open_speech
from sautikitd.node.test_callers import TestCallers
from sautikitd.node.trunks.routes import Routes
from sautikitd.node.trunks.watch import TrunkWatch
from sautikitd.recordings.spool import Spool
from sautikitd.roles.devices import DeviceParts, callees_of, device_desk, device_parts, websockets_of
from sautikitd.roles.inside import inside_address
from sautikitd.roles.loaded import CALLS, keep_what_is_loaded
from sautikitd.roles.process import RoleProcess
from sautikitd.roles.voice_rooms import node_rooms, room_sweeper, talks_elsewhere
from sautikitd.rooms.models import CHANNEL as ROOMS
from sautikitd.settings import Settings
from sautikitd.trunks.models import CHANNEL as TRUNKS
from sautikitd.uploads.playing import UploadedSounds
from sautikitd.voice.engine import VoiceEngine
from sautikitd.voice.media_metrics import media_metrics
from sautikitd.voice.media_pool import MediaPool, processes_for
from sautikitd.voice.sip.inbound import InboundCall
from sautikitd.voice.sip.tls import TlsOptions
from sautikitd.voice.sip.user_agent import UserAgent
from sautikitd.voice.speech.cache import PromptCache
from sautikitd.voice.speech.sounds import AudioFiles, Sounds
from sautikitd.voice.streams.client import StreamClient

log = structlog.get_logger()

_DRAIN_S = 5.0


@dataclass(frozen=True)
class Parts:
    """A node and what runs beside it."""

    node: VoiceNode
    agent: UserAgent
    engine: VoiceEngine
    journal: JournalWriter
    reaper: Reaper
    trunk_watch: TrunkWatch
    recordings: NodeRecordings
    devices: DeviceParts
    rooms: NodeRooms
    reports: LastReports

    def wake(self) -> None:
        """Something may be waiting: a command, a change in a room."""
        self.node.commander.wake()
        self.rooms.wake()


async def run(settings: Settings, process: RoleProcess) -> None:
    async with open_platform(settings, "voice", keep_plans=True) as platform, assemble(platform) as parts:
        with node_gauges(parts.node, parts.engine, parts.agent):  # of a process: it has one node
            await _serve(platform, parts, process)


async def _serve(platform: Platform, parts: Parts, process: RoleProcess) -> None:
    settings = platform.settings
    node = parts.node
    await node.lease.begin(parts.agent.inside, settings.voice_capacity)
    await parts.trunk_watch.refresh()
    beside = [
        asyncio.create_task(work)
        for work in (
            node.lease.run(),
            node.commander.run(),
            parts.journal.run(),
            parts.reaper.run(),
            parts.trunk_watch.run(),
            parts.recordings.run(),
            parts.devices.registrar.keep_alive(parts.agent),
            parts.rooms.run(),
            parts.reports.run(),
        )
    ]
    listening = [
        asyncio.create_task(Listener(platform.database_url, channels).run())
        for channels in (
            # together, so that of a trunk changed before a call was placed the node hears before that call
            {TRUNKS: parts.trunk_watch.wake, queue.CHANNEL: node.look_for_calls},
            {commands.CHANNEL: parts.wake, ROOMS: parts.wake},
        )
    ]
    claiming = asyncio.create_task(node.run())
    process.ready()
    keep_what_is_loaded(CALLS)
    await _until_over(process, node, [claiming, *beside])
    log.info("voice draining", calls=node.calls)
    await parts.rooms.close()
    await node.drain(_DRAIN_S)
    await parts.trunk_watch.close()
    await parts.journal.flush()
    for task in (claiming, *beside, *listening):
        task.cancel()
    await asyncio.gather(claiming, *beside, *listening, return_exceptions=True)
    await platform.waker.wake(WEBHOOKS)


async def _until_over(process: RoleProcess, node: VoiceNode, tasks: list["asyncio.Task[None]"]) -> None:
    """Waits for the order to stop, the loss of the lease, or a task that should never end and did."""
    stopping = asyncio.create_task(process.until_stopped())
    lapsed = asyncio.create_task(node.stopped.wait())
    await asyncio.wait([stopping, lapsed, *tasks], return_when=asyncio.FIRST_COMPLETED)
    for task in (stopping, lapsed):
        task.cancel()
    for task in tasks:
        if task.done() and not task.cancelled() and (error := task.exception()):
            log.error("voice.part_failed", exc_info=error)


@asynccontextmanager
async def assemble(platform: Platform) -> AsyncIterator[Parts]:
    """A node on this machine, its user agent and its media up; nothing runs yet."""
    settings, clock, database = platform.settings, platform.clock, platform.database
    async with AsyncExitStack() as held:
        egress = await held.enter_async_context(EgressClient(platform.guard))
        http = await held.enter_async_context(aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(total=5)))
        sounds = Sounds()
        held.push_async_callback(sounds.close)
        cache = PromptCache(settings.data_dir / "prompts")
        speech = await held.enter_async_context(open_speech(settings, cache, sounds))
        node_id = uuid7()
        spool = Spool.open(settings.data_dir / "spool")
        recordings = NodeRecordings(platform.recordings, spool, database, node_id, clock)
        routes = Routes((settings.carrier.host, settings.carrier.port))
        devices = device_parts(platform, node_id, routes)
        held.push_async_callback(devices.registrar.close)
        tls, inside = tls_of(settings), inside_address(settings)
        reception_desk: list[VoiceNode] = []

        async def on_invite(call: InboundCall) -> None:
            if reception_desk:
                await reception_desk[0].receive(call)
            else:
                call.reject(503)

        agent = UserAgent(
            on_invite=on_invite,
            authenticator=devices.doorkeeper,
            screen=devices.doorkeeper.screens,
            handlers={"REGISTER": devices.registrar.handle},
            on_connection_lost=devices.registrar.connection_lost,
            flow_key=platform.flow_key,
        )
        await agent.start(
            (settings.sip.host, settings.sip.port),
            (settings.sip_advertise, settings.sip.port),
            tls=tls,
            websockets=websockets_of(settings, tls),
            inside=inside,
            beside=settings.media_advertise,
        )
        held.push_async_callback(agent.stop)
        media = MediaPool(
            bind_address=settings.sip.host,
            port_range=(settings.rtp_ports.first, settings.rtp_ports.last),
            size=settings.media_processes or processes_for(settings.voice_capacity),
        )
        engine = VoiceEngine(
            agent,
            media,
            addresses=settings.media_advertise,
            inside=inside,
            domain=settings.sip_advertise,
            book=recordings,
            clock=clock,
        )
        await engine.start()
        held.push_async_callback(engine.close)
        await held.enter_async_context(media_metrics(media))
        streams = StreamClient(allow_private=platform.guard.allow_private)
        held.push_async_callback(streams.close)
        books = Books(node_id, database, platform.lifecycle, clock, platform.waker)
        journal = JournalWriter(database, platform.events)
        uploads = UploadedSounds(database, platform.recording_store)
        prompting = Prompting(speech, AudioFiles(cache, sounds), egress, uploads, journal, clock)
        running: dict[UUID, RunningCall] = {}
        trunk_watch = TrunkWatch(node_id, agent, routes, platform.trunks, database, clock)
        rooms = node_rooms(platform, node_id, engine, recordings, prompting)
        dialling = Dialling(
            node_id=node_id,
            database=database,
            adding=AddLeg(platform.lifecycle, platform.sessions, clock),
            engine=engine,
            routes=routes,
            books=books,
            prompting=prompting,
            recordings=recordings,
            failover=Failover(
                database=database,
                engine=engine,
                routes=routes,
                clock=clock,
                patience_s=settings.trunk_patience,
                watch=trunk_watch,
            ),
            callees=callees_of(platform, devices, node_id),
            elsewhere=talks_elsewhere(platform, node_id, rooms),
            clock=clock,
            running=running,
        )
        callbacks = CallbackClients(database, egress, platform.signing_secrets, journal, clock)
        reports = LastReports(
            database=database,
            callbacks=callbacks,
            recordings=recordings,
            kept=platform.recordings,
            clock=clock,
            public_url=settings.public_url,
        )
        held.push_async_callback(reports.close)
        conversations = Conversations(
            books=books,
            journal=journal,
            callbacks=callbacks,
            reports=reports,
            dialling=dialling,
            clock=clock,
            public_url=settings.public_url,
            streams=streams,
            controllers=Controllers(database, platform.waker, clock),
            rooms=rooms,
        )
        control = f"http://{settings.carrier_control}"
        test_callers = TestCallers(control, (_local_host(settings.sip.host), settings.sip.port), http)
        receiving = ReceiveInboundCall(platform.lifecycle, platform.sessions, clock)
        node = VoiceNode(
            node_id,
            settings.voice_capacity,
            database=database,
            lifecycle=platform.lifecycle,
            engine=engine,
            routes=routes,
            books=books,
            conversations=conversations,
            prompting=prompting,
            recordings=recordings,
            reception=Reception(database, receiving, test_callers, node_id, routes),
            test_callers=test_callers,
            clock=clock,
            waker=platform.waker,
            running=running,
            devices=device_desk(platform, devices, dialling, speech, AudioFiles(cache, sounds)),
        )
        reception_desk.append(node)
        live_control = LiveControl(running, conversations.flows, recordings, journal, clock)
        supervisors = Supervisors(dialling, platform.supervisions, running)
        for part in (live_control, conversations.controllers, supervisors, TransferDesk(dialling)):
            node.commander.handle(part.handlers)
        yield Parts(
            node=node,
            agent=agent,
            engine=engine,
            journal=journal,
            reaper=Reaper(
                database,
                platform.lifecycle,
                clock,
                CarrierLegs(engine, routes),
                rooms=room_sweeper(platform),
                supervisions=platform.supervisions,
            ),
            rooms=rooms,
            reports=reports,
            trunk_watch=trunk_watch,
            recordings=recordings,
            devices=devices,
        )


def tls_of(settings: Settings) -> TlsOptions:
    """Without a certificate we connect by TLS and do not listen. Raises nothing; files are read at the start."""
    return TlsOptions(
        certificate=settings.sip_certificate,
        key=settings.sip_key,
        authorities=settings.sip_authorities,
        port=settings.sip_tls_port,
    )


def _local_host(bound: str) -> str:
    """Where the carrier, on this machine, finds a node bound to `bound`."""
    return {"0.0.0.0": "127.0.0.1", "::": "::1"}.get(bound, bound)
