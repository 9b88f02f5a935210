"""Reviewers' decisions, and the datasets that are made from them."""

import sqlalchemy as sa
from alembic import op

revision = "0004"
down_revision = "0003"

TEXT = sa.Text()
TIME = sa.DateTime(timezone=True)
JSON = sa.JSON()


def upgrade() -> None:
    create_curation()
    create_datasets()


def create_curation() -> None:
    op.create_table(
        "curation",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("reply", TEXT, nullable=False),
        sa.Column("state", TEXT, nullable=False),
        sa.Column("target_route", TEXT, nullable=True),
        sa.Column("fault", TEXT, nullable=True),
        sa.Column("undo", sa.Boolean(), nullable=False),
        sa.Column("by", TEXT, nullable=False),
        sa.Column("at", TIME, nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_curation"),
    )
    op.create_index("ix_curation_reply_id", "curation", ["reply", "id"])
    op.create_table(
        "target_answers",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("reply", TEXT, nullable=False),
        sa.Column("text", TEXT, nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_target_answers"),
        sa.ForeignKeyConstraint(["id"], ["curation.id"], name="fk_target_answers_id_curation"),
        sa.ForeignKeyConstraint(
            ["reply"], ["exchanges.reply"], name="fk_target_answers_reply_exchanges", ondelete="CASCADE"
        ),
    )
    op.create_index("ix_target_answers_reply", "target_answers", ["reply"])


def create_datasets() -> None:
    op.create_table(
        "datasets",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("domain", TEXT, nullable=False),
        sa.Column("version", TEXT, nullable=False),
        sa.Column("kind", TEXT, nullable=False),
        sa.Column("rows", sa.Integer(), nullable=False),
        sa.Column("hash", TEXT, nullable=False),
        sa.Column("created", TIME, nullable=False),
        sa.Column("approved_by", JSON, nullable=False),
        sa.Column("documents", JSON, nullable=False),
        sa.Column("folder", TEXT, nullable=False),
        sa.Column("report", JSON, nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_datasets"),
        sa.UniqueConstraint("domain", "version", name="uq_datasets_domain_version"),
    )
    op.create_table(
        "dataset_sources",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("dataset", sa.Integer(), nullable=False),
        sa.Column("reply", TEXT, nullable=False),
        sa.Column("user", TEXT, nullable=False),
        sa.Column("workspace", TEXT, nullable=False),
        sa.Column("document", TEXT, nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_dataset_sources"),
        sa.ForeignKeyConstraint(
            ["dataset"], ["datasets.id"], name="fk_dataset_sources_dataset_datasets", ondelete="CASCADE"
        ),
    )
    for column in ("dataset", "reply", "user", "document"):
        op.create_index(f"ix_dataset_sources_{column}", "dataset_sources", [column])
