"""Stand-ins for the stores of the learning loop, and a place where replies are reviewed; beside fakes.py."""

import json
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from fakes import MESSAGE, REPLY, InMemoryExchangeStore, InMemoryFeedbackStore

from adapters.datasets.building import DatasetBuilder
from adapters.datasets.material import Library
from bot.errors import Conflict, NotFound
from bot.learning.curation import before_latest, repeated, require_seen
from bot.messages import DatasetSource, DatasetVersion, Decided, Exchange, Feedback, Passage, Reply, Review, Seen
from bot.ports import WriteVersion
from bot.privacy.redaction import Redactor
from bot.prompts import PromptLibrary

REFUNDS = Passage(document="refunds.md", chunk=0, text="Refunds\nRefunds are paid within 14 days.", dense=0.8)
FEES = Passage(document="fees.md", chunk=0, text="Fees\nThe yearly fee is 30 euros.", dense=0.7)
SHIPPING = Passage(document="shipping.md", chunk=0, text="Shipping\nParcels leave the house on Mondays.", dense=0.6)


@dataclass(slots=True)
class InMemoryCurationStore:
    exchanges: InMemoryExchangeStore
    votes: InMemoryFeedbackStore
    reviews: list[Review] = field(default_factory=list)

    async def add(self, reviews: Sequence[Review], *, seen: Seen | None = None) -> Sequence[Review]:
        for review in reviews:
            if review.reply not in self.exchanges.exchanges:
                raise NotFound(f"reply {review.reply!r} is not known")
        histories = {review.reply: await self.history(review.reply) for review in reviews}
        counting = [repeated(review, histories[review.reply], seen) or review for review in reviews]
        new = [review for review in reviews if review in counting]
        require_seen({review.reply: histories[review.reply] for review in new}, seen)
        self.reviews.extend(new)
        return tuple(counting)

    async def undo(self, replies: Sequence[str], *, by: str, seen: Seen | None = None) -> Sequence[Review]:
        require_seen({reply: await self.history(reply) for reply in replies}, seen)
        found = [before_latest(await self.history(reply), by=by) for reply in replies]
        for reply, earlier in zip(replies, found, strict=True):
            if earlier is None:
                raise Conflict(f"nothing is decided about reply {reply!r}")
        kept = tuple(earlier for earlier in found if earlier)
        self.reviews.extend(kept)
        return kept

    async def history(self, reply: str) -> Sequence[Review]:
        return tuple(self._readable(review) for review in self.reviews if review.reply == reply)

    async def all(self) -> Sequence[Review]:
        newest = {review.reply: number for number, review in enumerate(self.reviews)}
        counting = (self.reviews[number] for number in sorted(newest.values()))
        return tuple(self._readable(review) for review in counting if review.state != "new")

    async def undecided(self, *, unvoted: int) -> Sequence[Exchange]:
        decided = {review.reply for review in await self.all()}
        voted = {vote.reply for vote in await self.votes.all()}
        waiting = [e for e in self.exchanges.exchanges.values() if e.complete and e.reply.id not in decided]
        plain = [exchange for exchange in waiting if exchange.reply.id not in voted]
        newest = plain[len(plain) - min(unvoted, len(plain)) :]
        return tuple(exchange for exchange in waiting if exchange.reply.id in voted or exchange in newest)

    async def count(self) -> int:
        return len(self.reviews)

    async def since(self, number: int, *, limit: int) -> Sequence[Decided]:
        found = [
            Decided(number=n, review=self._readable(review), exchange=self.exchanges.exchanges.get(review.reply))
            for n, review in enumerate(self.reviews, 1)
        ]
        return tuple(found[number:][:limit])

    def _readable(self, review: Review) -> Review:
        return review if review.reply in self.exchanges.exchanges else replace(review, answer=None)


@dataclass(slots=True)
class InMemoryDatasetStore:
    versions: list[DatasetVersion] = field(default_factory=list)
    sources: dict[str, Sequence[DatasetSource]] = field(default_factory=dict)  # by label

    async def add(
        self, draft: DatasetVersion, sources: Sequence[DatasetSource], write: WriteVersion, *, by: str
    ) -> DatasetVersion:
        own = [version for version in self.versions if version.domain == draft.domain]
        for version in own:
            if (version.kind, version.hash) == (draft.kind, draft.hash):
                return version
        made = replace(draft, version=str(len(own) + 1))
        write(made.version)
        self.versions.append(made)
        self.sources[made.label] = sources
        return made

    async def find(self, domain: str, version: str) -> DatasetVersion | None:
        return next((v for v in self.versions if (v.domain, v.version) == (domain, version)), None)

    async def all(self) -> Sequence[DatasetVersion]:
        return tuple(self.versions)

    async def using(self, **wanted: str | None) -> Sequence[DatasetVersion]:
        given = {name: value for name, value in wanted.items() if value is not None}
        return tuple(
            version
            for version in self.versions
            if any(
                all(getattr(source, name) == value for name, value in given.items())
                for source in self.sources[version.label]
            )
        )


@dataclass(slots=True)
class Office:
    """The stores of a small installation, where people ask, vote and review."""

    exchanges: InMemoryExchangeStore = field(default_factory=InMemoryExchangeStore)
    votes: InMemoryFeedbackStore = field(init=False)
    reviews: InMemoryCurationStore = field(init=False)
    datasets: InMemoryDatasetStore = field(default_factory=InMemoryDatasetStore)

    def __post_init__(self) -> None:
        self.votes = InMemoryFeedbackStore(self.exchanges)
        self.reviews = InMemoryCurationStore(self.exchanges, self.votes)

    async def answer(self, reply: str, question: str = "", text: str = "Within 14 days [1].", **more: Any) -> None:
        """*more*: what else is particular about the message or its reply."""
        fields = Reply.__dataclass_fields__
        own = {"passages": (REFUNDS,)} | {name: value for name, value in more.items() if name in fields}
        asked = {name: value for name, value in more.items() if name not in fields}
        message = replace(MESSAGE, **{"id": f"event of {reply}", "text": question, "thread": ""} | asked)
        done = replace(REPLY, id=reply, text=text, question=question or f"When is refund {reply} paid?", **own)
        await self.exchanges.begin(message, done)
        await self.exchanges.complete(done)

    async def vote(self, reply: str, rating: int, user: str = "slack:U2", **more: Any) -> None:
        await self.votes.save(Feedback(reply=reply, user=user, platform="slack", rating=rating, **more))  # type: ignore[arg-type]  # one of the ratings

    async def review(self, reply: str, state: str, **more: Any) -> None:
        await self.reviews.add([Review(**{"reply": reply, "state": state, "by": "ada", "route": "billing"} | more)])


REDACTOR = Redactor()
EVERYONE = frozenset({"everyone"})
LIBRARY = Library(
    domain="billing",
    documents={"refunds.md": EVERYONE, "fees.md": EVERYONE, "shipping.md": EVERYONE, "salaries.md": frozenset({"hr"})},
    readers=EVERYONE,
)
SALARIES = Passage(document="salaries.md", chunk=0, text="Salaries\nSalaries are paid within 14 days.")


@dataclass
class Workshop(Office):
    """An office where datasets are made."""

    folder: Path = field(default_factory=Path)

    @property
    def builder(self) -> DatasetBuilder:
        return DatasetBuilder(
            exchanges=self.exchanges,
            votes=self.votes,
            reviews=self.reviews,
            datasets=self.datasets,
            prompts=PromptLibrary(),
            redactor=REDACTOR,
            directory=self.folder,
            plot=lambda _: None,  # takes a second; test_data_report.py has it drawn
        )

    async def build(self, kind: str = "sft", **more: Any) -> DatasetVersion:
        return await self.builder.build(more.pop("library", LIBRARY), kind=kind, by="ada", **more)  # type: ignore[arg-type]  # of every type

    async def approved(self, *replies: str, **more: Any) -> None:
        for reply in replies:
            await self.answer(reply, **more)
            await self.review(reply, "approved")

    def rows(self, version: DatasetVersion, *names: str) -> list[dict[str, Any]]:
        folder = self.folder / version.folder
        texts = ((folder / f"{name}.jsonl").read_text() for name in names or ("train", "held_out"))
        return [json.loads(line) for text in texts for line in text.splitlines()]
