"""Accounts and sessions of the console."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, cast

from sqlalchemy import CursorResult, delete, func, select, update
from sqlalchemy.ext.asyncio import AsyncSession

from bot.desks.accounts import Account, Role, Session, noted
from bot.errors import Conflict, NotFound, StoreError
from bot.messages import now
from bot.store.database import Database
from bot.store.models import AccountRow, AuditRow, SessionRow


@dataclass(frozen=True, slots=True)
class SqlAccounts:
    """Accounts in a SQL database. Every change is in the audit log, without passwords."""

    database: Database

    async def add(self, account: Account, *, by: str) -> None:
        """Raises: Conflict if the name is taken."""
        async with self.database.writing() as session:
            if await _row(session, account.name):
                raise Conflict(f"there is an account {account.name!r} already; choose another name")
            session.add(
                AccountRow(
                    name=account.name,
                    role=account.role,
                    password=account.password,
                    subject=account.subject,
                    disabled=account.disabled,
                    created=account.created,
                )
            )
            what = f"account.create {account.name}"
            session.add(AuditRow(who=by, what=what, before=None, after=dict(noted(account)), at=now()))

    async def change(
        self,
        name: str,
        *,
        by: str,
        role: Role | None = None,
        disabled: bool | None = None,
        password: str | None = None,
        subject: str | None = None,
    ) -> Account:
        """
        Change what is not None. A new password and a disabled account end the sessions of the account.

        Raises: NotFound if there is no such account, Conflict if no admin would be left.
        """
        async with self.database.writing() as session:
            row = await _row(session, name)
            if row is None:
                raise NotFound(f"there is no account {name!r}; the page of people shows those there are")
            before = _account(row)
            row.role = role or row.role
            row.disabled = row.disabled if disabled is None else disabled
            row.password = password or row.password
            row.subject = subject or row.subject
            await session.flush()
            if before.may("admin") and not _account(row).may("admin"):
                await _require_an_admin(session, name)
            if password or row.disabled:
                await session.execute(delete(SessionRow).where(SessionRow.account == row.id))
            session.add(_audited(before, _account(row), by, password))
            return _account(row)

    async def find(self, name: str) -> Account | None:
        """Returns: the account called *name*."""
        async with self.database.reading() as session:
            row = await _row(session, name)
            return None if row is None else _account(row)

    async def by_subject(self, subject: str) -> Account | None:
        """Returns: the account that a company's account belongs to."""
        async with self.database.reading() as session:
            row = await session.scalar(select(AccountRow).where(AccountRow.subject == subject))
            return None if row is None else _account(row)

    async def all(self) -> Sequence[Account]:
        """Returns: every account, by name."""
        async with self.database.reading() as session:
            return tuple(_account(row) for row in await session.scalars(select(AccountRow).order_by(AccountRow.name)))


@dataclass(frozen=True, slots=True)
class SqlSessions:
    """Sessions in a SQL database: a restart signs nobody out, and several consoles share them."""

    database: Database

    async def begin(self, key: str, account: str, csrf: str) -> None:
        """Keep a new session. Raises: StoreError if there is no such account."""
        async with self.database.writing() as session:
            row = await _row(session, account)
            if row is None:
                raise StoreError(f"there is no account {account!r}")
            session.add(SessionRow(key=key, account=row.id, csrf=csrf, began=now(), seen=now()))

    async def find(self, key: str, *, began_after: datetime, seen_after: datetime) -> Session | None:
        """Returns: the session, unless it has expired or its account may no longer sign in."""
        rows = select(SessionRow, AccountRow).join(AccountRow, AccountRow.id == SessionRow.account)
        fresh = (SessionRow.began > began_after, SessionRow.seen > seen_after, AccountRow.disabled.is_(False))
        async with self.database.reading() as session:
            found = (await session.execute(rows.where(SessionRow.key == key, *fresh))).one_or_none()
            if found is None:
                return None
            row, account = found
            return Session(key=row.key, account=_account(account), csrf=row.csrf, began=row.began, seen=row.seen)

    async def touch(self, key: str) -> None:
        """Note that the session is in use."""
        async with self.database.writing() as session:
            await session.execute(update(SessionRow).where(SessionRow.key == key).values(seen=now()))

    async def end(self, key: str) -> None:
        """Forget a session."""
        async with self.database.writing() as session:
            await session.execute(delete(SessionRow).where(SessionRow.key == key))

    async def delete_older_than(self, moment: datetime) -> int:
        """Returns: how many sessions were last seen before *moment* and are now gone."""
        async with self.database.writing() as session:
            gone = await session.execute(delete(SessionRow).where(SessionRow.seen < moment))
            return cast("CursorResult[Any]", gone).rowcount


async def _row(session: AsyncSession, name: str) -> AccountRow | None:
    return cast("AccountRow | None", await session.scalar(select(AccountRow).where(AccountRow.name == name)))


async def _require_an_admin(session: AsyncSession, name: str) -> None:
    admins = select(func.count()).where(AccountRow.role == "admin", AccountRow.disabled.is_(False))
    if not await session.scalar(admins):
        raise Conflict(f"{name!r} is the last admin; make somebody else an admin first")


def _audited(before: Account, after: Account, by: str, password: str | None) -> AuditRow:
    changed = {**noted(after), **({"password": "changed"} if password else {})}
    if before.subject != after.subject:
        changed["company_account"] = True
    return AuditRow(who=by, what=f"account.change {after.name}", before=dict(noted(before)), after=changed, at=now())


def _account(row: AccountRow) -> Account:
    return Account(
        name=row.name,
        role=cast(Role, row.role),
        password=row.password,
        subject=row.subject,
        disabled=row.disabled,
        created=row.created,
    )
