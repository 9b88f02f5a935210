"""Channels: what moderators have set for them in the chat itself."""

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

from sqlalchemy import select

from bot.messages import ChannelSetting, now
from bot.store.database import Database
from bot.store.models import AuditRow, ChannelRow


@dataclass(frozen=True, slots=True)
class SqlChannels:
    """A ChannelStore in a SQL database. Every change is in the audit log."""

    database: Database

    async def bind(self, workspace: str, channel: int, domain: str | None, *, by: str) -> None:
        """Answer the questions of *channel* from *domain*; None: wherever they belong."""
        await self._change(workspace, channel, by, domain=domain)

    async def answer_automatically(self, workspace: str, channel: int, on: bool, *, by: str) -> None:
        """Whether threads and posts of *channel* are answered without a mention."""
        await self._change(workspace, channel, by, automatic=on)

    async def find(self, channel: int) -> ChannelSetting | None:
        async with self.database.reading() as session:
            row = await session.scalar(select(ChannelRow).where(ChannelRow.channel == str(channel)))
            return None if row is None else _setting(row)

    async def all(self, workspace: str) -> Sequence[ChannelSetting]:
        """Returns: what is set in *workspace*, the channels where nothing is left out."""
        rows = select(ChannelRow).where(ChannelRow.workspace == workspace).order_by(ChannelRow.id)
        async with self.database.reading() as session:
            found = [_setting(row) for row in await session.scalars(rows)]
            return tuple(each for each in found if each.domain or each.automatic)

    async def _change(self, workspace: str, channel: int, by: str, **values: Any) -> None:
        async with self.database.writing() as session:
            row = await session.scalar(select(ChannelRow).where(ChannelRow.channel == str(channel)))
            before = None if row is None else asdict(_setting(row))
            if row is None:
                row = ChannelRow(workspace=workspace, channel=str(channel), domain=None, automatic=False)
                session.add(row)
            for name, value in values.items():
                setattr(row, name, value)
            after = asdict(_setting(row))
            if after != before:
                session.add(AuditRow(who=by, what="channel.set", before=before, after=after, at=now()))


def _setting(row: ChannelRow) -> ChannelSetting:
    return ChannelSetting(channel=int(row.channel), domain=row.domain, automatic=row.automatic)
