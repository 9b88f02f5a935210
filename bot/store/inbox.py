"""The inbox: events that were accepted and are not yet answered."""

from collections.abc import Sequence
from dataclasses import dataclass

from sqlalchemy import select, update
from sqlalchemy.exc import IntegrityError

from bot.messages import Message
from bot.store.database import Database
from bot.store.models import InboxRow
from bot.store.records import message_from_dict, message_to_dict


@dataclass(frozen=True, slots=True)
class SqlInbox:
    """An Inbox in a SQL database."""

    database: Database

    async def accept(self, message: Message) -> bool:
        """Returns: whether this event is new. It is on the disk before this returns."""
        async with self.database.writing() as session:
            session.add(InboxRow(event=message.id, message=message_to_dict(message), done=False))
            try:
                await session.flush()
            except IntegrityError:
                await session.rollback()
                return False
        return True

    async def done(self, message_id: str) -> None:
        """Forget the content of an answered event; its id stays, so that a duplicate is still known."""
        async with self.database.writing() as session:
            answered = update(InboxRow).where(InboxRow.event == message_id)
            await session.execute(answered.values(done=True, message=None))

    async def unfinished(self) -> Sequence[Message]:
        """Returns: the events not yet answered, oldest first."""
        waiting = select(InboxRow.message).where(InboxRow.done.is_(False)).order_by(InboxRow.id)
        async with self.database.reading() as session:
            return tuple(message_from_dict(record) for record in await session.scalars(waiting))
