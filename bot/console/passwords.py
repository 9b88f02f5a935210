"""Passwords of accounts, hashed with argon2."""

import asyncio
from dataclasses import dataclass, field

from argon2 import PasswordHasher
from argon2.exceptions import InvalidHashError, VerificationError

from bot.desks.accounts import Account, require_password

AT_ONCE = 2  # a hash takes 64 MB and 50 ms by design; so many sign-ins share the machine


@dataclass(frozen=True)
class Passwords:
    """Makes and checks hashes, in a thread."""

    _hasher: PasswordHasher = field(default_factory=PasswordHasher)  # argon2id, with RFC 9106's second choice
    _slots: asyncio.Semaphore = field(default_factory=lambda: asyncio.Semaphore(AT_ONCE))

    async def hash(self, password: str, name: str) -> str:
        """
        What is kept of *password*, the password of the account *name*.

        Raises: InputError if it is too easy to guess.
        """
        require_password(password, name)
        async with self._slots:
            return await asyncio.to_thread(self._hasher.hash, password)

    async def fits(self, account: Account | None, password: str) -> bool:
        """Whether *password* is the account's; it takes as long where there is no such account."""
        known = account is not None and account.password is not None and not account.disabled
        kept = account.password if known and account else None
        async with self._slots:
            return await asyncio.to_thread(self._verified, kept, password[:1000]) and known

    def _verified(self, kept: str | None, password: str) -> bool:
        try:
            return self._hasher.verify(kept or _NOBODYS, password)
        except (VerificationError, InvalidHashError):
            return False


# The hash of a random password that nobody knows, with the same parameters as every other.
_NOBODYS = "$argon2id$v=19$m=65536,t=3,p=4$yPUMTsgBo2ontVjKw7nbuQ$473pDiqcPxS7PteCPe3L7ge+UkzMtwK9AVhL7OlII1E"
