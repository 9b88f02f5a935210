"""The review list knows which answers say the same to the same question; of a job is known when it ended."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy import Connection

from bot.store.alike import key_of

revision = "0007"
down_revision = "0006"

TEXT = sa.Text()
AT_ONCE = 1000
ANSWERS = "SELECT id, question, asked, text FROM exchanges WHERE complete AND id > :after ORDER BY id LIMIT :most"
NAME = "UPDATE listed SET alike = :alike WHERE id = :id"
MARK = """
UPDATE listed SET usefulness = 3
WHERE usefulness IN (1, 2) AND EXISTS (
  SELECT 1 FROM listed other
  WHERE other.alike = listed.alike AND other.state = listed.state
    AND ((listed.up > 0 AND other.down > 0) OR (listed.down > 0 AND other.up > 0))
)
"""


def upgrade() -> None:
    op.add_column("listed", sa.Column("alike", TEXT, nullable=False, server_default=""))
    op.create_index("ix_listed_alike_state", "listed", ["alike", "state"])
    op.add_column("jobs", sa.Column("ended", sa.DateTime(timezone=True), nullable=True))
    compare(op.get_bind())


def compare(connection: Connection) -> None:
    """Have the list say of every answer which others say the same, and where votes on them disagree."""
    after = 0
    while rows := connection.execute(sa.text(ANSWERS), {"after": after, "most": AT_ONCE}).all():
        named = [{"id": row.id, "alike": key_of(row.question or row.asked, row.text)} for row in rows]
        connection.execute(sa.text(NAME), named)
        after = rows[-1].id
    connection.execute(sa.text(MARK))
