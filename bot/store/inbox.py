"""The inbox: events that were accepted and are not yet answered."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, cast

from sqlalchemy import CursorResult, delete, select, update
from sqlalchemy.exc import IntegrityError

from bot.messages import Message, Pending
from bot.store.database import Database
from bot.store.models import InboxRow
from bot.store.records import message_from_dict, message_to_dict


@dataclass(frozen=True, slots=True)
class SqlInbox:
    """An Inbox in a SQL database."""

    database: Database

    async def accept(self, message: Message, address: Mapping[str, str] | None = None) -> bool:
        """Returns: whether this event is new. It is on the disk before this returns."""
        async with self.database.writing() as session:
            session.add(_row(message, address or {}))
            try:
                await session.flush()
            except IntegrityError:
                await session.rollback()
                return False
        return True

    async def begin(self, message_id: str, shown: str) -> None:
        """Store the platform's id of the reply as soon as it is known."""
        async with self.database.writing() as session:
            await session.execute(update(InboxRow).where(InboxRow.event == message_id).values(begun=shown))

    async def done(self, message_id: str) -> None:
        """Forget the content of an answered event; its id stays, so that a duplicate is still known."""
        async with self.database.writing() as session:
            answered = update(InboxRow).where(InboxRow.event == message_id)
            await session.execute(answered.values(done=True, message=None, address=None))

    async def unfinished(self) -> Sequence[Pending]:
        """Returns: the events not yet answered, oldest first."""
        waiting = select(InboxRow).where(InboxRow.done.is_(False)).order_by(InboxRow.id)
        async with self.database.reading() as session:
            return tuple(_pending(row) for row in await session.scalars(waiting))

    async def takes_part(self, thread: str) -> bool:
        """Returns: whether a question of this thread was ever accepted."""
        any_row = select(InboxRow.id).where(InboxRow.thread == thread).limit(1)
        async with self.database.reading() as session:
            return await session.scalar(any_row) is not None

    async def delete_older_than(self, moment: datetime) -> int:
        """Returns: how many answered events from before *moment* are now forgotten altogether."""
        old = delete(InboxRow).where(InboxRow.done.is_(True), InboxRow.at < moment)
        async with self.database.writing() as session:
            return cast("CursorResult[Any]", await session.execute(old)).rowcount


def _row(message: Message, address: Mapping[str, str]) -> InboxRow:
    return InboxRow(
        event=message.id,
        message=message_to_dict(message),
        address=dict(address),
        begun="",
        thread=message.thread,
        user=message.user,
        workspace=message.workspace,
        at=message.at,
        done=False,
    )


def _pending(row: InboxRow) -> Pending:
    return Pending(
        message=message_from_dict(row.message or {}), address=row.address or {}, begun=row.begun, resumed=True
    )
