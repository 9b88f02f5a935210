"""Jobs of which there may be one at a time: the database decides who of several was first."""

import sqlalchemy as sa
from alembic import op

revision = "0008"
down_revision = "0007"


def upgrade() -> None:
    op.add_column("jobs", sa.Column("sole", sa.Text(), nullable=True))
    op.create_index("ix_jobs_sole", "jobs", ["sole"], unique=True)
