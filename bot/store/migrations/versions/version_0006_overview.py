"""The rows of the review list also say how a question ended and when its first word came: the overview counts them."""

import sqlalchemy as sa
from alembic import op

revision = "0006"
down_revision = "0005"

TEXT = sa.Text()
TIME = sa.DateTime(timezone=True)
FILL = """
INSERT INTO listed (id, reply, state, usefulness, votes, up, down, corrections, route, platform, adapter, prompt, at,
  outcome, first_token)
SELECT e.id, e.reply, coalesce(c.state, 'new'),
  CASE WHEN coalesce(v.corrections, 0) > 0 THEN 4 WHEN coalesce(v.up, 0) > 0 AND coalesce(v.down, 0) > 0 THEN 3
    WHEN coalesce(v.down, 0) > 0 THEN 2 WHEN coalesce(v.up, 0) > 0 THEN 1 ELSE 0 END,
  coalesce(v.up, 0) + coalesce(v.down, 0), coalesce(v.up, 0), coalesce(v.down, 0), coalesce(v.corrections, 0),
  e.route, e.platform, e.adapter, e.prompt, e.at,
  CASE WHEN e.decision = 'ask_back' THEN 'asked_back' WHEN e.abstained THEN 'unknown' ELSE 'answered' END,
  e.seconds_to_first_token
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
    op.drop_table("listed")  # it holds nothing of its own, so it is made anew
    create_listed()
    op.execute(FILL)


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
        sa.Column("outcome", TEXT, nullable=False),
        sa.Column("first_token", sa.Double(), nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_listed"),
        sa.UniqueConstraint("reply", name="uq_listed_reply"),
        sa.ForeignKeyConstraint(["reply"], ["exchanges.reply"], name="fk_listed_reply_exchanges", ondelete="CASCADE"),
    )
    op.create_index("ix_listed_state_usefulness_votes_id", "listed", ["state", "usefulness", "votes", "id"])
    op.create_index("ix_listed_usefulness_votes_id", "listed", ["usefulness", "votes", "id"])
    op.create_index("ix_listed_at", "listed", ["at"])
