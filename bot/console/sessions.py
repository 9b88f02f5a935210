"""Who is signed in: a random cookie in the browser, a hash of it in the database."""

import hashlib
import hmac
import secrets
from dataclasses import dataclass
from datetime import timedelta

from aiohttp import web

from bot.console.ports import Sessions
from bot.desks.accounts import Account, Session
from bot.messages import now

COOKIE = "pointsman_session"
LONGEST = timedelta(hours=12)  # after this one signs in again
IDLE = timedelta(hours=2)  # or after so long without a page
NOTED = timedelta(minutes=5)  # how often the use of a session is written down


@dataclass(frozen=True, slots=True)
class SignedIn:
    """Begins, finds and ends sessions."""

    sessions: Sessions
    secure: bool  # whether the cookie travels over HTTPS only

    async def find(self, request: web.Request) -> Session | None:
        """The session of the browser that asks."""
        cookie = request.cookies.get(COOKIE)
        if not cookie:
            return None
        time = now()
        found = await self.sessions.find(_key(cookie), began_after=time - LONGEST, seen_after=time - IDLE)
        if found and found.seen < time - NOTED:
            await self.sessions.touch(found.key)
        return found

    async def begin(self, request: web.Request, response: web.StreamResponse, account: Account) -> None:
        """Sign *account* in with a new cookie: one that was set before the sign-in is worth nothing afterwards."""
        await self.end(request, response)
        await self.sessions.delete_older_than(now() - LONGEST)
        cookie = secrets.token_urlsafe(32)
        await self.sessions.begin(_key(cookie), account.name, secrets.token_urlsafe(24))
        response.set_cookie(
            COOKIE, cookie, max_age=int(LONGEST.total_seconds()), httponly=True, samesite="Lax", secure=self.secure
        )

    async def end(self, request: web.Request, response: web.StreamResponse) -> None:
        """Sign the browser out."""
        if cookie := request.cookies.get(COOKIE):
            await self.sessions.end(_key(cookie))
        response.del_cookie(COOKIE, httponly=True, samesite="Lax", secure=self.secure)


def same(one: str, other: str) -> bool:
    """Whether two secrets are the same, in a time that does not tell how much of them is."""
    return hmac.compare_digest(one.encode(), other.encode())


def _key(cookie: str) -> str:
    return hashlib.sha256(cookie.encode()).hexdigest()
