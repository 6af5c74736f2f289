"""The worker process: webhooks, payments, calls of dead nodes ended, the queue's leftovers and old rows cleared away."""

import asyncio
from contextlib import AsyncExitStack, suppress

from sautikitd.app import open_platform
from sautikitd.database.wake import Listener
from sautikitd.egress.client import EgressClient
from sautikitd.events.log import CHANNEL
from sautikitd.mail.sender import MailSender
from sautikitd.node.reaper import Reaper
from sautikitd.numbers.jobs import keep_renewing
from sautikitd.payments.auto_topups.service import AutoTopUps
from sautikitd.payments.composition import open_payments
from sautikitd.payments.service import CHANNEL as PAYMENTS
from sautikitd.payments.service import TopUps
from sautikitd.roles.loaded import keep_what_is_loaded
from sautikitd.roles.periodic import run_periodic_jobs
from sautikitd.roles.process import RoleProcess
from sautikitd.roles.voice_rooms import room_sweeper
from sautikitd.settings import Settings
from sautikitd.transcription.composition import open_transcription
from sautikitd.webhooks.dispatcher import Dispatcher
from sautikitd.webhooks.queue import open_queue_database
from sautikitd.webhooks.secrets import DeliverySecrets


async def run(settings: Settings, process: RoleProcess) -> None:
    async with (
        open_platform(settings, "worker") as platform,
        EgressClient(platform.guard, per_host=0) as client,
        open_payments(
            database=platform.database,
            accounts=platform.daraja_accounts,
            paths=platform.callback_paths,
            settlement=platform.settlement,
            box=platform.box,
            clock=platform.clock,
        ) as payments,
        open_transcription(platform) as transcription,
        AsyncExitStack() as held,
    ):
        queue = await open_queue_database(platform.database_url)
        held.push_async_callback(queue.close)
        secrets = DeliverySecrets(queue, platform.subscription_secrets, platform.signing_secrets)
        dispatcher = Dispatcher(
            queue,
            client,
            secrets,
            platform.clock,
            events=platform.events,
            notice=platform.notices.about_disabled_webhook,
        )
        sender = MailSender(
            platform.database, platform.clock, smtp_url=settings.smtp_url, sender=settings.mail_from
        )
        listener = Listener(platform.database_url, {CHANNEL: dispatcher.wake})
        delivering = asyncio.create_task(dispatcher.run())
        beside = [
            asyncio.create_task(listener.run()),
            asyncio.create_task(Listener(platform.database_url, {PAYMENTS: payments.worker.wake}).run()),
            asyncio.create_task(payments.worker.run()),
            asyncio.create_task(run_periodic_jobs(platform)),
            asyncio.create_task(sender.run()),
            asyncio.create_task(transcription.run()),
            asyncio.create_task(keep_renewing(platform.renewals, platform.database, platform.clock)),
            asyncio.create_task(
                Reaper(
                    platform.database,
                    platform.lifecycle,
                    platform.clock,
                    rooms=room_sweeper(platform),
                    supervisions=platform.supervisions,
                ).run()
            ),
        ]
        topups = TopUps(platform.daraja_accounts, platform.clock)
        beside.append(asyncio.create_task(AutoTopUps(topups, platform.database, platform.clock).run()))
        stopping = asyncio.create_task(process.until_stopped())
        process.ready()
        keep_what_is_loaded()
        try:
            done, _ = await asyncio.wait([delivering, stopping, *beside], return_when=asyncio.FIRST_COMPLETED)
            for task in done - {stopping}:
                task.result()
            dispatcher.stop()
            await delivering
        finally:
            await _cancel([stopping, delivering, *beside])


async def _cancel(tasks: list[asyncio.Task[None]]) -> None:
    for task in tasks:
        task.cancel()
    for task in tasks:
        with suppress(asyncio.CancelledError):
            await task
