"""Alembic's entry point; called by `database.migrate`, never by hand."""

from alembic import context
from sqlalchemy import create_engine, text

_LOCK = 5_417_201  # one migration at a time, whoever starts it

engine = create_engine(context.config.attributes["url"])
with engine.connect() as connection:
    connection.execute(text(f"SELECT pg_advisory_lock({_LOCK})"))
    connection.commit()
    context.configure(connection=connection, transaction_per_migration=True)
    with context.begin_transaction():
        context.run_migrations()
    connection.execute(text(f"SELECT pg_advisory_unlock({_LOCK})"))
    connection.commit()
engine.dispose()
