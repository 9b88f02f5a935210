"""The tables. Portable SQL only: what runs on SQLite here runs on PostgreSQL later."""

from datetime import UTC, datetime
from typing import Any, ClassVar

from sqlalchemy import JSON, DateTime, Dialect, ForeignKey, Index, MetaData, Text, UniqueConstraint
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column
from sqlalchemy.types import TypeDecorator


def storable(text: str) -> str:
    """*text* without what databases refuse: lone surrogates (no UTF-8) and NUL (not in PostgreSQL)."""
    return text.encode("utf-8", "replace").decode().replace("\x00", "\ufffd")


class StorableText(TypeDecorator[str]):
    """Text of users and models, which may hold anything."""

    impl = Text
    cache_ok = True

    def process_bind_param(self, value: str | None, dialect: Dialect) -> str | None:
        return None if value is None else storable(value)


class UtcDateTime(TypeDecorator[datetime]):
    """Aware UTC in and out, also on SQLite, which drops the zone."""

    impl = DateTime(timezone=True)
    cache_ok = True

    def process_bind_param(self, value: datetime | None, dialect: Dialect) -> datetime | None:
        if value is not None and value.tzinfo is None:
            raise ValueError(f"{value.isoformat()} has no time zone")
        return None if value is None else value.astimezone(UTC)

    def process_result_value(self, value: datetime | None, dialect: Dialect) -> datetime | None:
        if value is not None and value.tzinfo is None:
            return value.replace(tzinfo=UTC)
        return None if value is None else value.astimezone(UTC)


class Base(DeclarativeBase):
    """Maps Python types to columns, and names every constraint so that a migration can change it."""

    type_annotation_map: ClassVar[dict[Any, Any]] = {
        str: StorableText(),
        datetime: UtcDateTime(),
        Any: JSON(none_as_null=True),
    }
    metadata = MetaData(
        naming_convention={
            "ix": "ix_%(table_name)s_%(column_0_N_name)s",
            "uq": "uq_%(table_name)s_%(column_0_N_name)s",
            "fk": "fk_%(table_name)s_%(column_0_name)s_%(referred_table_name)s",
            "pk": "pk_%(table_name)s",
        }
    )


class ExchangeRow(Base):
    """A question and its reply: the lineage that feedback points at."""

    __tablename__ = "exchanges"
    __table_args__ = (Index(None, "thread", "id"),)

    id: Mapped[int] = mapped_column(primary_key=True)
    reply: Mapped[str] = mapped_column(unique=True)
    complete: Mapped[bool]

    message: Mapped[str]  # the platform's event id
    asked: Mapped[str]  # as the user wrote it
    user: Mapped[str] = mapped_column(index=True)
    platform: Mapped[str]
    workspace: Mapped[str]
    thread: Mapped[str]
    chosen_route: Mapped[str | None]
    bound: Mapped[str | None]  # the domain of the channel
    labels: Mapped[Any | None]  # list of str; null: the asker reads everything
    given: Mapped[Any | None]  # passages that came with the question; null: none did
    source: Mapped[str]  # what the given passages are called
    private: Mapped[bool]
    at: Mapped[datetime] = mapped_column(index=True)

    text: Mapped[str]  # what the user reads
    route: Mapped[str]
    probability: Mapped[float]
    domain_probability: Mapped[float]
    decision: Mapped[str]
    abstained: Mapped[bool]
    citations: Mapped[Any]  # list of dict, see messages.Citation
    adapter: Mapped[str]
    prompt: Mapped[str]
    model: Mapped[str]
    grounding: Mapped[float]
    prompt_tokens: Mapped[int]
    completion_tokens: Mapped[int]
    seconds_to_first_token: Mapped[float]
    seconds: Mapped[float]
    question: Mapped[str]  # the standalone question
    passages: Mapped[Any]  # list of dict, see messages.Passage


class ShownRow(Base):
    """Where a reply is read: a platform's id of one of its messages."""

    __tablename__ = "shown"

    id: Mapped[int] = mapped_column(primary_key=True)
    place: Mapped[str] = mapped_column(unique=True)
    reply: Mapped[str] = mapped_column(ForeignKey("exchanges.reply", ondelete="CASCADE"), index=True)


class ChannelRow(Base):
    """What moderators have set for a channel."""

    __tablename__ = "channels"

    id: Mapped[int] = mapped_column(primary_key=True)
    workspace: Mapped[str]
    channel: Mapped[str] = mapped_column(unique=True)
    domain: Mapped[str | None]
    automatic: Mapped[bool]


class VoteRow(Base):
    """A user's vote on a reply; it goes when its exchange goes."""

    __tablename__ = "votes"
    __table_args__ = (UniqueConstraint("reply", "user"),)

    id: Mapped[int] = mapped_column(primary_key=True)
    reply: Mapped[str] = mapped_column(ForeignKey("exchanges.reply", ondelete="CASCADE"))
    user: Mapped[str]
    platform: Mapped[str]
    rating: Mapped[int]  # 1, -1, or 0: taken back
    reason: Mapped[str | None]
    correction: Mapped[str | None]
    wrong_route: Mapped[str | None]
    at: Mapped[datetime]


class ReviewRow(Base):
    """A reviewer's decision on a reply; rows are only ever added, and outlive the exchange: they hold nothing of it."""

    __tablename__ = "curation"
    __table_args__ = (Index(None, "reply", "id"),)

    id: Mapped[int] = mapped_column(primary_key=True)
    reply: Mapped[str]
    state: Mapped[str]
    target_route: Mapped[str | None]
    fault: Mapped[str | None]
    undo: Mapped[bool]
    by: Mapped[str]
    at: Mapped[datetime]


class TargetAnswerRow(Base):
    """The right answer of a decision; it goes when its exchange goes, whoever deletes that."""

    __tablename__ = "target_answers"

    id: Mapped[int] = mapped_column(ForeignKey("curation.id"), primary_key=True)
    reply: Mapped[str] = mapped_column(ForeignKey("exchanges.reply", ondelete="CASCADE"), index=True)
    text: Mapped[str]


class ListedRow(Base):
    """
    What the review list sorts and filters by, and the overview counts, of every complete exchange.

    It follows votes and decisions. Exchanges are long, so going through fifty thousand of them takes a second; through
    these it takes none.
    """

    __tablename__ = "listed"
    __table_args__ = (
        Index(None, "state", "usefulness", "votes", "id"),
        Index(None, "usefulness", "votes", "id"),
        Index(None, "alike", "state"),
    )

    id: Mapped[int] = mapped_column(primary_key=True)  # the exchange's
    reply: Mapped[str] = mapped_column(ForeignKey("exchanges.reply", ondelete="CASCADE"), unique=True)
    state: Mapped[str]
    usefulness: Mapped[int]  # how far from the end of learning.curation.REASONS
    votes: Mapped[int]
    up: Mapped[int]
    down: Mapped[int]
    corrections: Mapped[int]
    route: Mapped[str]
    platform: Mapped[str]
    adapter: Mapped[str]
    prompt: Mapped[str]
    at: Mapped[datetime] = mapped_column(index=True)
    outcome: Mapped[str]  # answered, asked_back or unknown: "I don't know"
    first_token: Mapped[float]  # seconds until it came
    alike: Mapped[str] = mapped_column(server_default="")  # see alike.key_of


class DatasetRow(Base):
    """One version of a domain's training data; its rows are files."""

    __tablename__ = "datasets"
    __table_args__ = (UniqueConstraint("domain", "version"),)

    id: Mapped[int] = mapped_column(primary_key=True)
    domain: Mapped[str]
    version: Mapped[str]
    kind: Mapped[str]
    rows: Mapped[int]
    hash: Mapped[str]
    created: Mapped[datetime]
    approved_by: Mapped[Any]  # list of str
    documents: Mapped[Any]  # list of str
    folder: Mapped[str]  # below the storage directory
    report: Mapped[Any]


class DatasetSourceRow(Base):
    """What a dataset was made from, so that a deletion finds it."""

    __tablename__ = "dataset_sources"

    id: Mapped[int] = mapped_column(primary_key=True)
    dataset: Mapped[int] = mapped_column(ForeignKey("datasets.id", ondelete="CASCADE"), index=True)
    reply: Mapped[str] = mapped_column(index=True)
    user: Mapped[str] = mapped_column(index=True)
    workspace: Mapped[str]
    document: Mapped[str] = mapped_column(index=True)


class ExampleRow(Base):
    """An example question for the router."""

    __tablename__ = "examples"

    id: Mapped[int] = mapped_column(primary_key=True)
    text: Mapped[str] = mapped_column(unique=True)
    route: Mapped[str]


class InboxRow(Base):
    """An accepted event; its content is forgotten once it is answered, its id is kept against duplicates."""

    __tablename__ = "inbox"

    id: Mapped[int] = mapped_column(primary_key=True)
    event: Mapped[str] = mapped_column(unique=True)
    message: Mapped[Any | None]  # dict, see messages.Message
    address: Mapped[Any | None]  # dict, see messages.Pending
    begun: Mapped[str]  # the platform's id of the reply; empty: not begun
    thread: Mapped[str] = mapped_column(index=True)
    user: Mapped[str]
    workspace: Mapped[str]
    at: Mapped[datetime]
    done: Mapped[bool] = mapped_column(index=True)


class JobRow(Base):
    """Work for the process that owns the index."""

    __tablename__ = "jobs"

    id: Mapped[int] = mapped_column(primary_key=True)
    kind: Mapped[str]
    payload: Mapped[Any]
    state: Mapped[str] = mapped_column(index=True)  # waiting, running, done or failed
    done: Mapped[int]
    total: Mapped[int]
    doing: Mapped[str]
    result: Mapped[Any | None]
    error: Mapped[str | None]
    sole: Mapped[str | None] = mapped_column(unique=True, index=True)  # what no other job may be; null: it has ended
    ended: Mapped[datetime | None]


class AuditRow(Base):
    """Who changed what; rows are only ever added."""

    __tablename__ = "audit"

    id: Mapped[int] = mapped_column(primary_key=True)
    who: Mapped[str]
    what: Mapped[str]
    before: Mapped[Any | None]
    after: Mapped[Any | None]
    at: Mapped[datetime]


class AccountRow(Base):
    """Somebody who may use the console."""

    __tablename__ = "accounts"

    id: Mapped[int] = mapped_column(primary_key=True)
    name: Mapped[str] = mapped_column(unique=True)
    role: Mapped[str]
    password: Mapped[str | None]  # argon2's hash
    subject: Mapped[str | None] = mapped_column(unique=True)  # issuer and subject of the company's account
    disabled: Mapped[bool]
    created: Mapped[datetime]


class SessionRow(Base):
    """A browser that is signed in to the console."""

    __tablename__ = "sessions"

    key: Mapped[str] = mapped_column(primary_key=True)  # a hash of the cookie
    account: Mapped[int] = mapped_column(ForeignKey("accounts.id", ondelete="CASCADE"), index=True)
    csrf: Mapped[str]
    began: Mapped[datetime]
    seen: Mapped[datetime] = mapped_column(index=True)
