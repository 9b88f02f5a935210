"""Example questions for the router."""

from collections.abc import Sequence
from dataclasses import dataclass

from sqlalchemy import select

from bot.messages import LabelledQuestion
from bot.store.database import Database
from bot.store.models import ExampleRow, storable


@dataclass(frozen=True, slots=True)
class SqlExampleStore:
    """An ExampleStore in a SQL database."""

    database: Database

    async def add(self, examples: Sequence[LabelledQuestion]) -> int:
        """Returns: how many were new; a known text gets the new route."""
        routes = {storable(example.text): example.route for example in examples}
        async with self.database.writing() as session:
            known = {row.text: row for row in await session.scalars(select(ExampleRow))}
            for text in routes.keys() & known.keys():
                known[text].route = routes[text]
            new = [ExampleRow(text=text, route=route) for text, route in routes.items() if text not in known]
            session.add_all(new)
            return len(new)

    async def all(self) -> Sequence[LabelledQuestion]:
        """Returns: every example, oldest first."""
        async with self.database.reading() as session:
            rows = await session.scalars(select(ExampleRow).order_by(ExampleRow.id))
            return tuple(LabelledQuestion(text=row.text, route=row.route) for row in rows)
