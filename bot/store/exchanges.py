"""Exchanges: every question with its reply."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, cast

from sqlalchemy import CursorResult, delete, select, update

from bot.errors import ExchangeGone, StoreError
from bot.messages import Exchange, Message, Reply
from bot.store.alike import settle
from bot.store.database import Database
from bot.store.listing import relist
from bot.store.models import ExchangeRow, ShownRow
from bot.store.records import exchange, message_columns, reply_columns


@dataclass(frozen=True, slots=True)
class SqlExchangeStore:
    """An ExchangeStore in a SQL database."""

    database: Database

    async def begin(self, message: Message, reply: Reply) -> None:
        """
        Store what is known before the first character is shown.

        Raises: StoreError if the reply was begun before.
        """
        row = ExchangeRow(reply=reply.id, complete=False, **message_columns(message), **reply_columns(reply))
        async with self.database.writing() as session:
            if await session.scalar(select(ExchangeRow.id).where(ExchangeRow.reply == reply.id)):
                raise StoreError(f"reply {reply.id!r} was begun before; give each reply its own id")
            session.add(row)

    async def complete(self, reply: Reply) -> None:
        """
        Fill in the finished reply.

        Raises: ExchangeGone if it was never begun, or has been deleted since.
        """
        change = update(ExchangeRow).where(ExchangeRow.reply == reply.id)
        async with self.database.writing() as session:
            changed = await session.execute(change.values(complete=True, **reply_columns(reply)))
            if not cast("CursorResult[Any]", changed).rowcount:
                raise ExchangeGone(f"reply {reply.id!r} is not known; begin it before it is completed")
            await relist(session, [reply.id])

    async def thread(self, thread: str, *, last: int) -> Sequence[Exchange]:
        """Returns: the *last* complete exchanges of a thread, oldest first; the empty thread has none."""
        if not thread:
            return ()
        rows = select(ExchangeRow).where(ExchangeRow.thread == thread, ExchangeRow.complete)
        async with self.database.reading() as session:
            latest = await session.scalars(rows.order_by(ExchangeRow.id.desc()).limit(last))
            return tuple(reversed([exchange(row) for row in latest]))

    async def find(self, reply: str) -> Exchange | None:
        """Returns: the exchange of a reply id, complete or not."""
        async with self.database.reading() as session:
            row = await session.scalar(select(ExchangeRow).where(ExchangeRow.reply == reply))
            return None if row is None else exchange(row)

    async def show(self, reply: str, places: Sequence[str]) -> None:
        """Keep where a reply is read: the platform's ids of its messages, each with platform and workspace."""
        async with self.database.writing() as session:
            await session.execute(delete(ShownRow).where(ShownRow.place.in_(places)))  # an answer that was replaced
            session.add_all(ShownRow(place=place, reply=reply) for place in places)

    async def places(self, reply: str) -> Sequence[str]:
        """Returns: where a reply is read, in the order in which it was kept."""
        rows = select(ShownRow.place).where(ShownRow.reply == reply).order_by(ShownRow.id)
        async with self.database.reading() as session:
            return tuple(await session.scalars(rows))

    async def shown_at(self, place: str) -> str | None:
        """Returns: the id of the reply that is read at *place*."""
        async with self.database.reading() as session:
            return await session.scalar(select(ShownRow.reply).where(ShownRow.place == place))

    async def delete_older_than(self, moment: datetime) -> int:
        """Returns: how many exchanges were asked before *moment* and are now gone, with their feedback."""
        async with self.database.writing() as session:
            gone = cast("CursorResult[Any]", await session.execute(delete(ExchangeRow).where(ExchangeRow.at < moment)))
            if gone.rowcount:
                await settle(session)
            return gone.rowcount
