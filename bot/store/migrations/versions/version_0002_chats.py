"""Chat platforms: workspaces, where a reply is read, and what the inbox needs to go on after a kill."""

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"

TEXT = sa.Text()
TIME = sa.DateTime(timezone=True)
JSON = sa.JSON()
LONG_AGO = "1970-01-01 00:00:00+00:00"


def upgrade() -> None:
    with op.batch_alter_table("exchanges") as exchanges:
        exchanges.add_column(sa.Column("workspace", TEXT, nullable=False, server_default=""))
        exchanges.add_column(sa.Column("source", TEXT, nullable=False, server_default=""))
        exchanges.add_column(sa.Column("bound", TEXT, nullable=True))
    op.create_index("ix_exchanges_user", "exchanges", ["user"])
    with op.batch_alter_table("inbox") as inbox:
        inbox.add_column(sa.Column("address", JSON, nullable=True))
        for name in ("begun", "thread", "user", "workspace"):
            inbox.add_column(sa.Column(name, TEXT, nullable=False, server_default=""))
        inbox.add_column(sa.Column("at", TIME, nullable=False, server_default=LONG_AGO))
    op.create_index("ix_inbox_thread", "inbox", ["thread"])
    op.create_table(
        "shown",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("place", TEXT, nullable=False),
        sa.Column("reply", TEXT, nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_shown"),
        sa.UniqueConstraint("place", name="uq_shown_place"),
        sa.ForeignKeyConstraint(["reply"], ["exchanges.reply"], name="fk_shown_reply_exchanges", ondelete="CASCADE"),
    )
    op.create_index("ix_shown_reply", "shown", ["reply"])
