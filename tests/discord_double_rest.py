"""The double's HTTP side: tokens, limits and faults before each route of the REST API v10."""

import asyncio
import json
import time
from dataclasses import dataclass
from fnmatch import fnmatchcase
from functools import partial
from math import ceil
from typing import Any

from aiohttp import web
from discord_double_interactions import ROUTES
from discord_double_routes import Ask, Route, unknown
from discord_double_rules import Json, RateLimits, Refused
from discord_double_world import Call, World

PREFIX = "/api/v10"


@dataclass
class Fault:
    """What becomes of the next calls of a route: an answer (200: the usual one), or (None) a dropped connection."""

    pattern: str
    status: int | None
    times: int
    retry_after: float = 0.0
    after_doing: bool = False
    everywhere: bool = False  # the 429 is the global one
    via: bool = True  # without it, a 429 is Cloudflare's
    code: int = 0
    seconds: float = 0.0  # to wait first


class Rest:
    """Serves one world."""

    def __init__(self, world: World, *, limits: bool) -> None:
        self.world, self.enforced, self.limits = world, limits, RateLimits()
        self.faults: list[Fault] = []
        self.lost = set[str]()  # calls that were done, and the answer failed: to repeat them is no mistake
        self.earned = 0  # calls that were refused because there had been too many

    def routes(self) -> list[web.RouteDef]:
        made = [web.route(method, PREFIX + path, partial(self.call, run)) for (method, path), run in ROUTES.items()]
        return [*made, web.route("*", PREFIX + "/{rest:.*}", partial(self.call, unknown))]

    def fault(self, name: str) -> Fault | None:
        """The one that is due for this call; counts it."""
        due = next((each for each in self.faults if each.times > 0 and fnmatchcase(name, each.pattern)), None)
        if due:
            due.times -= 1
        return due

    async def call(self, run: Route, request: web.Request) -> web.StreamResponse:
        ask, path = await asked(request), request.path.removeprefix(PREFIX)
        name = f"{request.method} {path}"
        due, headers = self.fault(name), {"Via": "1.1 google"}
        answer: Any = None
        await asyncio.sleep(due.seconds if due else 0)
        due = None if due and due.status == 200 else due
        try:
            if due is None or due.after_doing:
                self._admit(request, path, headers)
                answer = run(self.world, ask)
            status = 204 if answer is None else 200
        except Refused as refusal:
            status, answer = refusal.status, refusal.body
            if refusal.noted and name not in self.lost:
                self.world.problems.append(f"{name}: {refusal}")
        except (KeyError, TypeError, ValueError) as error:
            status, answer = 400, {"code": 50035, "message": "Invalid Form Body"}
            self.world.problems.append(f"{name}: the double did not understand {ask.body!r}: {error!r}")
        if due:
            self.lost |= {name} if due.after_doing else set()
            status, answer = suffered(due, headers)
        self.world.calls.append(Call(request.method, path, ask.body, time.monotonic(), status))
        if status == 0 and request.transport:
            request.transport.abort()
        if isinstance(answer, str):
            return web.Response(status=status, text=answer, content_type="text/html", headers=headers)
        if status == 204 or answer is None:
            return web.Response(status=status or 500, headers=headers)
        headers["Content-Type"] = "application/json"  # bare: with a charset, discord.py takes it for text
        return web.Response(status=status, body=json.dumps(answer).encode(), headers=headers)

    def _admit(self, request: web.Request, path: str, headers: dict[str, str]) -> None:
        """Checks token and limits; tells the app how much is left, in *headers*."""
        by_token = path.startswith(("/interactions/", "/webhooks/"))  # the token is in the path; no global limit
        if not by_token and request.headers.get("Authorization") != f"Bot {self.world.token}":
            raise Refused(401, 0, "401: Unauthorized")
        if self.enforced and not by_token and (wait := self.limits.wait()):
            self.earned += 1
            raise limited(wait, headers, everywhere=True)
        if bucket := bucket_of(request.method, path):
            left, seconds = self.limits.take(":".join(bucket))
            if left < 0 and request.method == "PATCH":
                self.world.problems.append(f"more edits than Discord allows: {path}")
            if self.enforced:
                headers |= {"X-RateLimit-Limit": "5", "X-RateLimit-Remaining": str(max(left, 0))}
                headers |= {"X-RateLimit-Reset": f"{time.time() + seconds:.3f}", "X-RateLimit-Bucket": bucket[0]}
                headers["X-RateLimit-Reset-After"] = f"{seconds:.3f}"
                if left < 0:
                    self.earned += 1
                    raise limited(seconds, headers)


def bucket_of(method: str, path: str) -> tuple[str, str] | None:
    """A name for the kind of call, and what is counted apart; only messages and their edits have limits here."""
    match method, path.split("/")[1:]:
        case ("POST", ["channels", channel, "messages"]) | ("PATCH", ["channels", channel, "messages", _]):
            return f"{method.lower()}-messages", channel
        case ("POST", ["webhooks", _, token]) | ("PATCH", ["webhooks", _, token, "messages", _]):
            return f"{method.lower()}-webhooks", token
    return None


def limited(seconds: float, headers: dict[str, str], *, everywhere: bool = False) -> Refused:
    headers |= {"Retry-After": str(ceil(seconds)), "X-RateLimit-Scope": "global" if everywhere else "user"}
    headers |= {"X-RateLimit-Global": "true"} if everywhere else {}
    more: Json = {"retry_after": round(seconds, 3), "global": everywhere}
    return Refused(429, 0, "You are being rate limited.", **more)


def suffered(due: Fault, headers: dict[str, str]) -> tuple[int, Any]:
    if due.status is None:
        return 0, None
    if due.status == 429 and due.via:
        return 429, limited(due.retry_after, headers, everywhere=due.everywhere).body
    if not due.via:
        headers.pop("Via")
    if due.status in (429, 502, 504):
        return due.status, "<html>Cloudflare</html>"
    return due.status, {"code": due.code, "message": f"{due.status}: made to fail"}


async def asked(request: web.Request) -> Ask:
    """Of JSON, or of a form with files, whose payload_json is the body."""
    parts, query = dict(request.match_info), dict(request.query)
    if request.content_type != "multipart/form-data":
        return Ask(parts, query, await request.json() if request.can_read_body else None)
    form = await request.post()
    given = {name: each for name, each in form.items() if isinstance(each, web.FileField)}
    files = {name: (each.filename, each.file.read()) for name, each in given.items()}
    return Ask(parts, query, json.loads(str(form["payload_json"])), files)
