"""
The first schema.

A version never imports the models: they move on, it does not. There is no downgrade: going back is
`pointsman db restore`.
"""

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None

TEXT = sa.Text()
TIME = sa.DateTime(timezone=True)
JSON = sa.JSON()


def upgrade() -> None:
    create_exchanges()
    create_votes()
    create_examples()
    create_inbox()
    create_jobs()
    create_audit()


def create_exchanges() -> None:
    op.create_table(
        "exchanges",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("reply", TEXT, nullable=False),
        sa.Column("complete", sa.Boolean(), nullable=False),
        sa.Column("message", TEXT, nullable=False),
        sa.Column("asked", TEXT, nullable=False),
        sa.Column("user", TEXT, nullable=False),
        sa.Column("platform", TEXT, nullable=False),
        sa.Column("thread", TEXT, nullable=False),
        sa.Column("chosen_route", TEXT, nullable=True),
        sa.Column("labels", JSON, nullable=True),
        sa.Column("given", JSON, nullable=True),
        sa.Column("private", sa.Boolean(), nullable=False),
        sa.Column("at", TIME, nullable=False),
        sa.Column("text", TEXT, nullable=False),
        sa.Column("route", TEXT, nullable=False),
        sa.Column("probability", sa.Double(), nullable=False),
        sa.Column("domain_probability", sa.Double(), nullable=False),
        sa.Column("decision", TEXT, nullable=False),
        sa.Column("abstained", sa.Boolean(), nullable=False),
        sa.Column("citations", JSON, nullable=False),
        sa.Column("adapter", TEXT, nullable=False),
        sa.Column("prompt", TEXT, nullable=False),
        sa.Column("model", TEXT, nullable=False),
        sa.Column("grounding", sa.Double(), nullable=False),
        sa.Column("prompt_tokens", sa.Integer(), nullable=False),
        sa.Column("completion_tokens", sa.Integer(), nullable=False),
        sa.Column("seconds_to_first_token", sa.Double(), nullable=False),
        sa.Column("seconds", sa.Double(), nullable=False),
        sa.Column("question", TEXT, nullable=False),
        sa.Column("passages", JSON, nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_exchanges"),
        sa.UniqueConstraint("reply", name="uq_exchanges_reply"),
    )
    op.create_index("ix_exchanges_at", "exchanges", ["at"])
    op.create_index("ix_exchanges_thread_id", "exchanges", ["thread", "id"])


def create_votes() -> None:
    op.create_table(
        "votes",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("reply", TEXT, nullable=False),
        sa.Column("user", TEXT, nullable=False),
        sa.Column("platform", TEXT, nullable=False),
        sa.Column("rating", sa.Integer(), nullable=False),
        sa.Column("reason", TEXT, nullable=True),
        sa.Column("correction", TEXT, nullable=True),
        sa.Column("wrong_route", TEXT, nullable=True),
        sa.Column("at", TIME, nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_votes"),
        sa.UniqueConstraint("reply", "user", name="uq_votes_reply_user"),
        sa.ForeignKeyConstraint(["reply"], ["exchanges.reply"], name="fk_votes_reply_exchanges", ondelete="CASCADE"),
    )


def create_examples() -> None:
    op.create_table(
        "examples",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("text", TEXT, nullable=False),
        sa.Column("route", TEXT, nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_examples"),
        sa.UniqueConstraint("text", name="uq_examples_text"),
    )


def create_inbox() -> None:
    op.create_table(
        "inbox",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("event", TEXT, nullable=False),
        sa.Column("message", JSON, nullable=True),
        sa.Column("done", sa.Boolean(), nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_inbox"),
        sa.UniqueConstraint("event", name="uq_inbox_event"),
    )
    op.create_index("ix_inbox_done", "inbox", ["done"])


def create_jobs() -> None:
    op.create_table(
        "jobs",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("kind", TEXT, nullable=False),
        sa.Column("payload", JSON, nullable=False),
        sa.Column("state", TEXT, nullable=False),
        sa.Column("done", sa.Integer(), nullable=False),
        sa.Column("total", sa.Integer(), nullable=False),
        sa.Column("doing", TEXT, nullable=False),
        sa.Column("result", JSON, nullable=True),
        sa.Column("error", TEXT, nullable=True),
        sa.PrimaryKeyConstraint("id", name="pk_jobs"),
    )
    op.create_index("ix_jobs_state", "jobs", ["state"])


def create_audit() -> None:
    op.create_table(
        "audit",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("who", TEXT, nullable=False),
        sa.Column("what", TEXT, nullable=False),
        sa.Column("before", JSON, nullable=True),
        sa.Column("after", JSON, nullable=True),
        sa.Column("at", TIME, nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_audit"),
    )
