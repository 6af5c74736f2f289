"""The tables of the job queue, as procrastinate ships them; a newer procrastinate brings a revision of ours with its changes.

The application may read which revision the database is at: `sautikitd doctor` runs as it.
"""

from alembic import op
from procrastinate.schema import SchemaManager

revision = "0002"
down_revision = "0001"


def upgrade() -> None:
    connection = op.get_bind()
    connection.exec_driver_sql(SchemaManager.get_schema().replace("%", "%%"))
    connection.exec_driver_sql("GRANT SELECT ON alembic_version TO sautikit_app")
