"""Accounts and sessions of the console, and the short rows that its review list reads instead of the exchanges."""

import sqlalchemy as sa
from alembic import op

revision = "0005"
down_revision = "0004"

TEXT = sa.Text()
TIME = sa.DateTime(timezone=True)
FILL = """
INSERT INTO listed (id, reply, state, usefulness, votes, up, down, corrections, route, platform, adapter, prompt, at)
SELECT e.id, e.reply, coalesce(c.state, 'new'),
  CASE WHEN coalesce(v.corrections, 0) > 0 THEN 4 WHEN coalesce(v.up, 0) > 0 AND coalesce(v.down, 0) > 0 THEN 3
    WHEN coalesce(v.down, 0) > 0 THEN 2 WHEN coalesce(v.up, 0) > 0 THEN 1 ELSE 0 END,
  coalesce(v.up, 0) + coalesce(v.down, 0), coalesce(v.up, 0), coalesce(v.down, 0), coalesce(v.corrections, 0),
  e.route, e.platform, e.adapter, e.prompt, e.at
FROM exchanges e
LEFT JOIN (
  SELECT reply, sum(CASE WHEN rating > 0 THEN 1 ELSE 0 END) AS up, sum(CASE WHEN rating < 0 THEN 1 ELSE 0 END) AS down,
    sum(CASE WHEN rating < 0 AND correction IS NOT NULL THEN 1 ELSE 0 END) AS corrections
  FROM votes GROUP BY reply
) v ON v.reply = e.reply
LEFT JOIN (SELECT reply, max(id) AS id FROM curation GROUP BY reply) n ON n.reply = e.reply
LEFT JOIN curation c ON c.id = n.id
WHERE e.complete
"""


def upgrade() -> None:
    create_accounts()
    create_listed()
    op.execute(FILL)


def create_accounts() -> None:
    op.create_table(
        "accounts",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("name", TEXT, nullable=False),
        sa.Column("role", TEXT, nullable=False),
        sa.Column("password", TEXT, nullable=True),
        sa.Column("subject", TEXT, nullable=True),
        sa.Column("disabled", sa.Boolean(), nullable=False),
        sa.Column("created", TIME, nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_accounts"),
        sa.UniqueConstraint("name", name="uq_accounts_name"),
        sa.UniqueConstraint("subject", name="uq_accounts_subject"),
    )
    op.create_table(
        "sessions",
        sa.Column("key", TEXT, nullable=False),
        sa.Column("account", sa.Integer(), nullable=False),
        sa.Column("csrf", TEXT, nullable=False),
        sa.Column("began", TIME, nullable=False),
        sa.Column("seen", TIME, nullable=False),
        sa.PrimaryKeyConstraint("key", name="pk_sessions"),
        sa.ForeignKeyConstraint(["account"], ["accounts.id"], name="fk_sessions_account_accounts", ondelete="CASCADE"),
    )
    op.create_index("ix_sessions_account", "sessions", ["account"])
    op.create_index("ix_sessions_seen", "sessions", ["seen"])


def create_listed() -> None:
    op.create_table(
        "listed",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("reply", TEXT, nullable=False),
        sa.Column("state", TEXT, nullable=False),
        sa.Column("usefulness", sa.Integer(), nullable=False),
        sa.Column("votes", sa.Integer(), nullable=False),
        sa.Column("up", sa.Integer(), nullable=False),
        sa.Column("down", sa.Integer(), nullable=False),
        sa.Column("corrections", sa.Integer(), nullable=False),
        sa.Column("route", TEXT, nullable=False),
        sa.Column("platform", TEXT, nullable=False),
        sa.Column("adapter", TEXT, nullable=False),
        sa.Column("prompt", TEXT, nullable=False),
        sa.Column("at", TIME, nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_listed"),
        sa.UniqueConstraint("reply", name="uq_listed_reply"),
        sa.ForeignKeyConstraint(["reply"], ["exchanges.reply"], name="fk_listed_reply_exchanges", ondelete="CASCADE"),
    )
    op.create_index("ix_listed_state_usefulness_votes_id", "listed", ["state", "usefulness", "votes", "id"])
    op.create_index("ix_listed_usefulness_votes_id", "listed", ["usefulness", "votes", "id"])
