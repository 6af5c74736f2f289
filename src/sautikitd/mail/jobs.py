"""Background work of the mail room."""

from datetime import datetime, timedelta

from sautikitd.database.pool import Database

KEPT = timedelta(days=30)


async def forget_old_mail(database: Database, now: datetime) -> int:
    """Deletes mails older than 30 days, and subscriptions nobody confirmed in time; returns how many mails."""
    async with database.transaction() as connection:
        await connection.execute(
            "DELETE FROM alert_subscribers WHERE status = 'pending' AND confirm_until < $1", now - KEPT
        )
        done: str = await connection.execute("DELETE FROM mails WHERE created_at < $1", now - KEPT)
    return int(done.split()[-1])
