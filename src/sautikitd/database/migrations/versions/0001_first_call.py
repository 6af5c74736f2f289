"""Everything the first call needs: one SQL file a room, in the order of their numbers."""

from pathlib import Path

from alembic import op

revision = "0001"
down_revision = None

_SQL = Path(__file__).parent.parent / "sql" / "0001"


def upgrade() -> None:
    for file in sorted(_SQL.glob("*.sql")):
        op.get_bind().exec_driver_sql(file.read_text().replace("%", "%%"))
