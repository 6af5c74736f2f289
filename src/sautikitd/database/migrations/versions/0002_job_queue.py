"""The tables of the job queue, as procrastinate ships them. A newer procrastinate brings a revision of ours with its changes."""

from alembic import op
from procrastinate.schema import SchemaManager

revision = "0002"
down_revision = "0001"


def upgrade() -> None:
    op.get_bind().exec_driver_sql(SchemaManager.get_schema().replace("%", "%%"))
