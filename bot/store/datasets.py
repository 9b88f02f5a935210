"""Datasets: which versions there are, and what each was made from."""

import asyncio
from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from typing import cast

from sqlalchemy import select

from bot.messages import DatasetKind, DatasetSource, DatasetVersion
from bot.ports import WriteVersion
from bot.store.database import Database
from bot.store.models import AuditRow, DatasetRow, DatasetSourceRow


@dataclass(frozen=True, slots=True)
class SqlDatasetStore:
    """A DatasetStore in a SQL database. Every new version is in the audit log."""

    database: Database

    async def add(
        self, draft: DatasetVersion, sources: Sequence[DatasetSource], write: WriteVersion, *, by: str
    ) -> DatasetVersion:
        """Returns: the version; where one of its kind holds the same rows already, that one."""
        async with self.database.writing() as session:
            rows = await session.scalars(select(DatasetRow).where(DatasetRow.domain == draft.domain))
            known = [_version(row) for row in rows]
            same = (each for each in known if (each.kind, each.hash) == (draft.kind, draft.hash))
            if found := next(same, None):
                return found
            version = replace(draft, version=str(max((int(each.version) for each in known), default=0) + 1))
            row = _row(version)
            session.add(row)
            # Before the files: where two processes take the same number, one of them fails here.
            await session.flush()
            session.add_all(DatasetSourceRow(dataset=row.id, **asdict(source)) for source in sources)
            after = {"kind": version.kind, "rows": version.rows, "hash": version.hash}
            session.add(
                AuditRow(who=by, what=f"dataset.add {version.label}", before=None, after=after, at=version.created)
            )
            await asyncio.to_thread(write, version.version)
        return version

    async def find(self, domain: str, version: str) -> DatasetVersion | None:
        wanted = select(DatasetRow).where(DatasetRow.domain == domain, DatasetRow.version == version)
        async with self.database.reading() as session:
            row = await session.scalar(wanted)
            return None if row is None else _version(row)

    async def all(self) -> Sequence[DatasetVersion]:
        """Returns: every version, oldest first."""
        async with self.database.reading() as session:
            rows = await session.scalars(select(DatasetRow).order_by(DatasetRow.id))
            return tuple(_version(row) for row in rows)

    async def using(
        self,
        *,
        reply: str | None = None,
        user: str | None = None,
        workspace: str | None = None,
        document: str | None = None,
    ) -> Sequence[DatasetVersion]:
        """Returns: the versions that hold something of one source that is all of this, oldest first."""
        wanted = {"reply": reply, "user": user, "workspace": workspace, "document": document}
        given = {name: value for name, value in wanted.items() if value is not None}
        made = select(DatasetSourceRow.dataset).filter_by(**given)
        async with self.database.reading() as session:
            rows = await session.scalars(select(DatasetRow).where(DatasetRow.id.in_(made)).order_by(DatasetRow.id))
            return tuple(_version(row) for row in rows)


def _row(version: DatasetVersion) -> DatasetRow:
    return DatasetRow(
        domain=version.domain,
        version=version.version,
        kind=version.kind,
        rows=version.rows,
        hash=version.hash,
        created=version.created,
        approved_by=list(version.approved_by),
        documents=list(version.documents),
        folder=version.folder,
        report=dict(version.report),
    )


def _version(row: DatasetRow) -> DatasetVersion:
    return DatasetVersion(
        domain=row.domain,
        version=row.version,
        kind=cast(DatasetKind, row.kind),
        rows=row.rows,
        hash=row.hash,
        approved_by=tuple(row.approved_by),
        documents=tuple(row.documents),
        report=row.report,
        created=row.created,
    )
